package dk.godkend.app

import dk.godkend.app.support.Hand
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** An app that somebody built without its server's root, or with something else in its place. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = GodkendApplication::class, qualifiers = "da-rDK-w360dp-h740dp-mdpi")
class RootsTest {
    private fun saysWhatIsMissing() = Hand(RuntimeEnvironment.getApplication() as GodkendApplication).use { hand ->
        assertEquals(Problem(Problem.Kind.NOT_BUILT, Problem.Next.CLOSE_APP), hand.await<Screen.Trouble>().problem)
        assertTrue(hand.texts().toString(), hand.reads("roots.json"))
        hand.back()
        assertTrue("there is nothing behind it", hand.activity.isFinishing)
    }

    @Test
    fun `without roots the app says what it lacks`() = saysWhatIsMissing()

    @Test
    @Config(application = UnreadableRootsApplication::class)
    fun `with something else in their place it says the same`() = saysWhatIsMissing()
}

class UnreadableRootsApplication : GodkendApplication() {
    override fun roots() = "{}"
}
