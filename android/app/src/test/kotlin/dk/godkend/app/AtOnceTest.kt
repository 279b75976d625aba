package dk.godkend.app

import dk.godkend.CreatedKey
import dk.godkend.HardwareKeys
import dk.godkend.HistoryEvent
import dk.godkend.KeyConditions
import dk.godkend.KeyException
import dk.godkend.Observer
import dk.godkend.Phone
import dk.godkend.PhoneException
import dk.godkend.Standing
import dk.godkend.StateStore
import dk.godkend.Touch
import dk.godkend.app.support.NoPhoneApplication
import dk.godkend.app.support.PlainPhone
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import kotlinx.coroutines.withTimeout
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import java.io.IOException
import java.util.concurrent.atomic.AtomicReference
import kotlin.reflect.KClass

/**
 * Calls while another waits, cancelled half-way, from many threads, after the end, over a key store and a state store of
 * Kotlin's that throw: nothing hangs, nothing crashes, nothing is lost.
 */
// In the class loader of all the others: the library calls back into one set of Kotlin classes in a process.
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], application = NoPhoneApplication::class)
class AtOnceTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val one by lazy { PlainPhone(folder.newFolder()) }
    private val phone: Phone get() = one.phone

    @After
    fun end() = runBlocking { phone.shutDown() }

    /** Fails rather than hangs. */
    private fun soon(test: suspend CoroutineScope.() -> Unit) = runBlocking(Dispatchers.Default) {
        withTimeout(120_000) { supervisorScope { test() } }
    }

    private suspend fun activated(biometrics: Boolean = false) {
        one.open()
        one.activate()
        if (biometrics) {
            one.desktop.play(Touch.MATCH)
            phone.enableBiometrics(PlainPhone.pin())
        }
    }

    private suspend fun fails(kind: KClass<out PhoneException>, call: suspend () -> Unit) {
        val failed = try {
            call()
            null
        } catch (failed: PhoneException) {
            failed
        }
        assertEquals(kind, failed?.let { it::class })
    }

    /** How a call that was begun has ended. */
    private suspend fun Deferred<*>.failure(): Throwable? {
        join()
        return getCompletionExceptionOrNull()
    }

    @Test
    fun `one phone from many threads, while it watches`() = soon {
        activated()
        phone.watch(Deaf)
        List(6) {
            async(Dispatchers.IO) {
                phone.state()
                phone.history()
                assertTrue(phone.supportCode().startsWith("G1-"))
                one.approve()
            }
        }.awaitAll()
        assertEquals(6 + 1, phone.history().count { it.event == HistoryEvent.APPROVED })
        assertEquals(3u, phone.overview().pin?.triesLeft)
    }

    @Test
    fun `a call cancelled half-way leaves the request open, for the finger's late answer and for the PIN`() = soon {
        activated(biometrics = true)
        for (byCoroutine in listOf(false, true)) {
            val request = one.request()
            one.desktop.play(Touch.WAITS)
            val waiting = async { phone.approveWithBiometrics(request) }
            // Everything else goes on meanwhile.
            assertEquals(Standing.Active, phone.state().people.single().standing)
            assertNotNull(phone.overview())
            if (byCoroutine) {
                waiting.cancelAndJoin()
                assertTrue(waiting.isCancelled)
            } else {
                while (waiting.isActive) {
                    phone.cancel()
                    delay(20)
                }
                assertTrue("${waiting.failure()}", waiting.failure() is PhoneException.Cancelled)
            }
            one.desktop.play(Touch.MATCH)
            phone.approveWithPin(request, PlainPhone.pin())
        }
    }

    @Test
    fun `calls cancelled at any moment lose no state`() = soon {
        activated(biometrics = true)
        for (millis in 0L..42 step 6) {
            val request = one.request()
            val call = async { phone.approveWithBiometrics(request) }
            delay(millis)
            call.cancelAndJoin()
        }
        assertTrue(phone.settle())
        one.approve()
        val me = phone.state().people.single()
        assertEquals(Standing.Active, me.standing)
        assertFalse(me.unsettled)
    }

    @Test
    fun `after the end every call says so, also those under way, and the state opens again`() = soon {
        activated(biometrics = true)
        val request = one.request()
        one.desktop.play(Touch.WAITS)
        phone.watch(Deaf)
        val waiting = async { phone.approveWithBiometrics(request) }
        val asking = async { phone.waiting() }
        delay(50)
        List(2) { async { phone.shutDown() } }.awaitAll()
        assertTrue("${waiting.failure()}", waiting.failure() is PhoneException.ShutDown)
        assertTrue("${asking.failure()}", asking.failure().let { it == null || it is PhoneException.ShutDown })
        val calls: List<suspend () -> Unit> = listOf(
            { phone.waiting() }, { phone.settle() }, { phone.scan("x") }, { phone.overview() }, { phone.block() },
            { phone.approveWithPin(request, PlainPhone.pin()) }, { phone.deny(request) }, { phone.watch(Deaf) },
        )
        calls.forEach { call -> fails(PhoneException.ShutDown::class) { call() } }
        phone.cancel()
        phone.unwatch()
        assertEquals(1, phone.state().people.size)
        one.desktop.play(Touch.MATCH)
        one.open()
        one.approve()
    }

    @Test
    fun `a key store that throws fails the call by name, costs no try and loses nothing`() = soon {
        val keys = Moody(one.desktop.keys())
        one.open(keys)
        one.activate()
        val request = one.request()
        val faults = listOf(
            KeyException.Cancelled() to PhoneException.Cancelled::class,
            KeyException.NotAuthenticated() to PhoneException.NotAuthenticated::class,
            KeyException.LockedOut() to PhoneException.LockedOut::class,
            KeyException.Missing() to PhoneException.KeyMissing::class,
            KeyException.Failed("odd") to PhoneException.NotSupported::class,
            IllegalStateException("what nobody declared") to PhoneException.NotSupported::class,
        )
        for ((fault, failure) in faults) {
            keys.fault.set(fault)
            fails(failure) { phone.approveWithPin(request, PlainPhone.pin()) }
            keys.fault.set(null)
        }
        phone.approveWithPin(request, PlainPhone.pin())
        assertEquals(3u, phone.overview().pin?.triesLeft)
    }

    @Test
    fun `a key store that never answers holds up nobody else, and not the end`() = soon {
        val keys = Moody(one.desktop.keys())
        one.open(keys)
        one.activate()
        val request = one.request()
        keys.gate = CompletableDeferred()
        val stuck = async { phone.approveWithPin(request, PlainPhone.pin()) }
        keys.reached.await()
        phone.state()
        phone.history()
        phone.shutDown()
        assertTrue("${stuck.failure()}", stuck.failure() is PhoneException.ShutDown)
        keys.gate?.complete(Unit)
        keys.gate = null
        one.open(keys)
        phone.settle()
        one.approve()
    }

    @Test
    fun `a store that throws sends nothing and keeps what was saved`() = soon {
        val shelf = Shelf()
        one.open(store = shelf)
        one.activate()
        assertFalse("what is stored is sealed", "Anna" in checkNotNull(shelf.blob).decodeToString())
        val request = one.request()
        shelf.isBroken = true
        fails(PhoneException.Storage::class) { phone.approveWithPin(request, PlainPhone.pin()) }
        phone.shutDown()
        fails(PhoneException.Storage::class) { one.open(store = shelf) }
        shelf.isBroken = false
        one.open(store = shelf)
        one.approve()
    }

    private object Deaf : Observer {
        override fun changed() = throw IllegalStateException("an observer that throws")
    }

    /** Keys that throw when told to, or wait. */
    private class Moody(private val keys: HardwareKeys) : HardwareKeys {
        val fault = AtomicReference<Exception?>()
        val reached = CompletableDeferred<Unit>()

        @Volatile var gate: CompletableDeferred<Unit>? = null

        private suspend fun obey() {
            fault.get()?.let { throw it }
            gate?.let {
                reached.complete(Unit)
                it.await()
            }
        }

        override suspend fun create(alias: String, conditions: KeyConditions): CreatedKey = keys.create(alias, conditions)

        override suspend fun sign(alias: String, message: ByteArray, prompt: String?): ByteArray {
            obey()
            return keys.sign(alias, message, prompt)
        }

        override suspend fun derive(alias: String, input: ByteArray) = keys.derive(alias, input)

        override suspend fun agree(alias: String, point: ByteArray, prompt: String?) = keys.agree(alias, point, prompt)

        override suspend fun delete(aliases: List<String>) = keys.delete(aliases)

        override suspend fun aliases() = keys.aliases()
    }

    /** A store in memory that can break. */
    private class Shelf : StateStore {
        @Volatile var blob: ByteArray? = null

        @Volatile var isBroken = false

        override fun load(): ByteArray? = if (isBroken) throw IOException("a disk that nobody expected to throw") else blob

        override fun save(blob: ByteArray) {
            if (isBroken) throw IOException("a disk that nobody expected to throw")
            this.blob = blob
        }
    }
}
