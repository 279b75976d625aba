package dk.godkend.screens

import kotlinx.coroutines.Job
import kotlinx.coroutines.delay

/** A request from the moment it is shown to its result. */
class RequestModel(private val session: Session, private val pins: PinModel, private val goHome: () -> Unit) {
    private var request: Request? = null
    private var endsAt: Long? = null
    private var countdown: Job? = null
    private var remember = false

    /** Opens what waits. */
    fun open(person: Long, id: String) {
        session.work(retry = { open(person, id) }) { show(session.phone.open(person, id)) }
    }

    /** Shows a request that was fetched. */
    fun show(request: Request) {
        this.request = request
        remember = false
        endsAt = request.expiresIn?.let { session.around.monotonicMillis() + it * 1000L }
        session.go(Screen.Asked(request, secondsLeft(), remember))
        countdown?.cancel()
        countdown = session.launch { while (tick()) delay(TICK_MILLIS) }
    }

    /** One step of the countdown; false once it has ended. */
    private fun tick(): Boolean {
        val left = secondsLeft()
        val current = session.top
        if (left == 0 && request != null) {
            // An answer that is on its way is the server's to judge.
            if ((current as? Screen.Asked)?.working == true || (current as? Screen.PinPad)?.working == true) return true
            // A notice waits on, and is opened anew.
            val isNotice = request?.isNotice == true
            finish()
            if (!isNotice) session.around.feel(Feeling.REFUSED)
            goHome()
            if (!isNotice) session.trouble(Problem(Problem.Kind.EXPIRED, Problem.Next.HOME))
            return false
        }
        when {
            request == null -> return false
            current is Screen.Asked -> if (current.secondsLeft != left) session.replace(current.copy(secondsLeft = left))
            current is Screen.PinPad && current.request != null ->
                if (current.secondsLeft != left) session.replace(current.copy(secondsLeft = left))
        }
        return true
    }

    private fun secondsLeft(): Int? =
        endsAt?.let { end -> ((end - session.around.monotonicMillis() + 999) / 1000).coerceAtLeast(0).toInt() }

    fun setRemember(on: Boolean) {
        remember = on
        (session.top as? Screen.Asked)?.let { session.replace(it.copy(remember = on)) }
    }

    /** The swipe and the button. */
    fun approve() {
        val request = request ?: return
        if (session.top !is Screen.Asked || request.isNotice) return
        if (request.biometricAllowed) withBiometrics(request) else withPin()
    }

    /** With the PIN, also where a finger would do. */
    fun withPin() {
        val request = request ?: return
        pins.ask(Screen.PinPurpose.APPROVE, request, secondsLeft()) { pin -> answer(request, Proof.Pin(pin)) }
    }

    private fun withBiometrics(request: Request) {
        val asked = session.top as? Screen.Asked ?: return
        if (asked.working) return
        session.replace(asked.copy(working = true))
        val doing = if (request.binding == Binding.OFFLINE) Problem.Doing.OFFLINE else Problem.Doing.BIOMETRICS
        session.work(doing, retry = { withBiometrics(request) }, pin = ::withPin) {
            try {
                answer(request, Proof.Biometric)
            } catch (failed: PhoneException) {
                (session.top as? Screen.Asked)?.let { session.replace(it.copy(working = false)) }
                // Whoever cancels the prompt is back at the request, with every way out open.
                if (failed.failure != PhoneFailure.Cancelled) throw failed
            }
        }
    }

    private suspend fun answer(request: Request, proof: Proof) {
        val approved = try {
            session.phone.approve(request, proof, remember)
        } catch (failed: PhoneException) {
            if (ends(failed.failure)) {
                finish()
                goHome()
            }
            throw failed
        }
        finish()
        session.around.feel(Feeling.APPROVED)
        goHome()
        session.go(
            when (approved) {
                is Approved.Taken -> Screen.Result(Screen.Outcome.APPROVED, request.relyingParty, approved.returnUrl)
                is Approved.Code -> Screen.OfflineCode(approved.code)
            },
        )
    }

    /** Whether the request cannot be answered any more. */
    private fun ends(failure: PhoneFailure) = when (failure) {
        PhoneFailure.Expired, PhoneFailure.NoRequest, PhoneFailure.PinBlocked, is PhoneFailure.PinWaiting,
        PhoneFailure.Blocked, PhoneFailure.Frozen, PhoneFailure.Removed, PhoneFailure.KeyMissing, PhoneFailure.Storage,
        -> true
        is PhoneFailure.Refused -> failure.code != PhoneFailure.Refused.ATTEMPT_CLOSED
        is PhoneFailure.WrongPin -> failure.status.dead || failure.status.waitSeconds > 0
        else -> false
    }

    /** Asks why. Also what *back* does: a request is never closed without an answer. A notice is, and waits on. */
    fun askWhy() {
        if (session.top !is Screen.Asked) return
        if (request?.isNotice != true) return session.go(Screen.Refuse(request))
        finish()
        goHome()
    }

    /** *Yes, it was me*, or *no, it was not me*. */
    fun answerNotice(wasMe: Boolean) {
        val screen = session.top as? Screen.Asked ?: return
        if (screen.working || !screen.request.isNotice) return
        session.replace(screen.copy(working = true))
        session.work(retry = { answerNotice(wasMe) }) {
            try {
                session.phone.answerNotice(screen.request, wasMe)
            } catch (failed: PhoneException) {
                (session.top as? Screen.Asked)?.let { session.replace(it.copy(working = false)) }
                if (ends(failed.failure)) {
                    finish()
                    goHome()
                }
                throw failed
            }
            finish()
            session.around.feel(if (wasMe) Feeling.APPROVED else Feeling.REFUSED)
            goHome()
            session.go(Screen.Result(if (wasMe) Screen.Outcome.RECOGNISED else Screen.Outcome.DISPUTED))
        }
    }

    /** *I changed my mind*, or *this was not me*. */
    fun refuse(fraud: Boolean) {
        val screen = session.top as? Screen.Refuse ?: return
        val request = screen.request ?: return
        if (screen.working) return
        session.replace(screen.copy(working = true))
        session.work(retry = { refuse(fraud) }) {
            try {
                session.phone.refuse(request, fraud)
            } catch (failed: PhoneException) {
                (session.top as? Screen.Refuse)?.let { session.replace(it.copy(working = false)) }
                if (ends(failed.failure)) {
                    finish()
                    goHome()
                }
                throw failed
            }
            finish()
            session.around.feel(Feeling.REFUSED)
            goHome()
            val outcome = if (fraud) Screen.Outcome.REPORTED else Screen.Outcome.REFUSED
            session.go(Screen.Result(outcome, request.relyingParty))
        }
    }

    /** Refuses one that is still locked. */
    fun refuseLocked(person: Long, id: String, fraud: Boolean) {
        session.work(retry = { refuseLocked(person, id, fraud) }) {
            session.phone.refuseLocked(person, id, fraud)
            session.around.feel(Feeling.REFUSED)
            goHome()
            session.go(Screen.Result(if (fraud) Screen.Outcome.REPORTED else Screen.Outcome.REFUSED))
        }
    }

    private fun finish() {
        countdown?.cancel()
        countdown = null
        request = null
        endsAt = null
    }

    private companion object {
        const val TICK_MILLIS = 250L
    }
}
