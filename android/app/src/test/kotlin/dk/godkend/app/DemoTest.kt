package dk.godkend.app

import android.os.Looper
import dk.godkend.app.support.NoPhoneApplication
import dk.godkend.app.support.QuietSurroundings
import dk.godkend.platform.WakeUp
import dk.godkend.screens.AppModel
import dk.godkend.screens.DemoPhone
import dk.godkend.screens.DemoStory
import dk.godkend.screens.Event
import dk.godkend.screens.PinWeakness
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import java.time.Duration

/** The models without a picture and without a phone: the demonstration's stories, a wake-up. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], application = NoPhoneApplication::class)
class DemoTest {
    private val model = AppModel({ error("a demonstration opens no phone") }, QuietSurroundings, CoroutineScope(Dispatchers.Main.immediate)) {}
    private val screen get() = model.screen.value

    @Before
    fun begin() {
        QuietSurroundings.now = 0
        model.startDemo()
        model.onForeground()
        assertTrue(model.isDemo.value)
    }

    /** Lets so much time pass, in steps as a person sees them. */
    private fun pass(seconds: Int = 1) = repeat(seconds * 10) {
        QuietSurroundings.now += 100
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(100))
    }

    private fun open(story: DemoStory) {
        model.play(story)
        pass()
        model.openWaiting()
        pass()
        assertTrue("$screen", screen is Screen.Asked)
    }

    private fun pin(digits: String) {
        digits.forEach { model.pins.digit(it - '0') }
        pass()
    }

    @Test
    fun `a login is approved with the PIN that the demonstration tells`() {
        open(DemoStory.LOGIN)
        model.requests.approve()
        pin(DemoPhone.PIN)
        assertEquals(Screen.Outcome.APPROVED, (screen as Screen.Result).outcome)
    }

    @Test
    fun `a wrong PIN is counted, and the third one waits`() {
        open(DemoStory.PAYMENT)
        model.requests.approve()
        pin("000000")
        assertEquals(Screen.PinComplaint.Wrong(2), (screen as Screen.PinPad).complaint)
        pin("000000")
        assertEquals(Screen.PinComplaint.Wrong(1), (screen as Screen.PinPad).complaint)
        pin("000000")
        assertEquals(Problem(Problem.Kind.PIN_WAITING, Problem.Next.HOME, waitSeconds = 60), (screen as Screen.Trouble).problem)
    }

    @Test
    fun `a stranger's request is locked, and is reported`() {
        model.play(DemoStory.STRANGER)
        pass()
        assertTrue((screen as Screen.Home).waiting!!.locked)
        model.refuseWaiting()
        pass()
        assertEquals(Screen.Outcome.REPORTED, (screen as Screen.Result).outcome)
        model.back()
        pass()
        model.settings.history()
        pass()
        assertEquals(Event.REPORTED, (screen as Screen.History).lines.first().event)
    }

    @Test
    fun `a request expires before the person's eyes, also behind the PIN pad`() {
        open(DemoStory.EXPIRES)
        val before = (screen as Screen.Asked).secondsLeft!!
        pass(3)
        assertEquals(before - 3, (screen as Screen.Asked).secondsLeft)
        model.requests.approve()
        pass(15)
        assertEquals(Problem.Kind.EXPIRED, (screen as Screen.Trouble).problem.kind)
        model.home()
        pass()
        assertTrue(screen is Screen.Home)
    }

    @Test
    fun `a refusal of the server's has its code, and being offline is said at home`() {
        open(DemoStory.SERVER_REFUSES)
        model.requests.approve()
        pin(DemoPhone.PIN)
        assertEquals("transaction_taken", (screen as Screen.Trouble).problem.code)
        model.play(DemoStory.OFFLINE)
        pass()
        assertTrue((screen as Screen.Home).isOffline)
    }

    @Test
    fun `back from a request asks why, and leaving the app wipes the typed digits`() {
        open(DemoStory.LOGIN)
        assertTrue(model.back())
        assertTrue(screen is Screen.Refuse)
        model.back()
        model.requests.approve()
        model.pins.digit(1)
        model.pins.digit(2)
        assertEquals(2, (screen as Screen.PinPad).typed)
        model.onBackground()
        assertEquals(0, (screen as Screen.PinPad).typed)
        model.pins.digit(1)
        model.pins.delete()
        model.pins.delete()
        assertEquals(0, (screen as Screen.PinPad).typed)
    }

    @Test
    fun `a weak PIN is refused before it is typed again, and nothing of it is kept`() {
        model.settings.changePin()
        pin(DemoPhone.PIN)
        pin("777777")
        assertEquals(Screen.PinPurpose.NEW, (screen as Screen.PinPad).purpose)
        assertEquals(Screen.PinComplaint.Weak(PinWeakness.REPEATED), (screen as Screen.PinPad).complaint)
        pin("271828")
        assertEquals(Screen.PinPurpose.NEW_REPEAT, (screen as Screen.PinPad).purpose)
        pin("271828")
        assertEquals(Screen.Outcome.PIN_CHANGED, (screen as Screen.Result).outcome)
    }

    @Test
    fun `a push message makes the app look, or tells, each time that it comes`() {
        var looked = 0
        var told = 0
        var isForeground = true
        var waits = true
        val wakeUp = WakeUp(CoroutineScope(Dispatchers.Main.immediate), { isForeground }, { looked++ }, { waits }, { told++ })
        assertTrue(wakeUp.onMessage(mapOf(WakeUp.HANDLE to "a".repeat(22))))
        assertTrue("the same handle, for the next request", wakeUp.onMessage(mapOf(WakeUp.HANDLE to "a".repeat(22))))
        isForeground = false
        assertTrue(wakeUp.onMessage(mapOf(WakeUp.HANDLE to "b".repeat(22))))
        assertFalse("more than a handle", wakeUp.onMessage(mapOf(WakeUp.HANDLE to "c".repeat(22), "text" to "x")))
        assertFalse("no handle", wakeUp.onMessage(mapOf(WakeUp.HANDLE to "c")))
        waits = false
        assertTrue("nothing waits", wakeUp.onMessage(mapOf(WakeUp.HANDLE to "d".repeat(22))))
        assertEquals(2 to 1, looked to told)
    }
}
