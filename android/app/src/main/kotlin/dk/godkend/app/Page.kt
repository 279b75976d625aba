package dk.godkend.app

import android.content.Context
import android.os.Build
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.FrameLayout
import android.widget.LinearLayout
import android.widget.ScrollView
import dk.godkend.platform.RequiresSdk
import dk.godkend.screens.AppModel
import dk.godkend.screens.Screen

/**
 * One screen's picture. [update] takes a newer state of the same screen without building it anew, so that focus, what is
 * typed and what a screen reader says stay where they are; false if it cannot.
 */
internal class Page(
    val body: LinearLayout,
    val name: CharSequence,
    val hasBack: Boolean = true,
    val update: (Screen) -> Boolean = { false },
)

/** The frame around every page: the demonstration's mark, the way back, and a page that scrolls when the text is large. */
internal class Frame(context: Context, private val model: AppModel, private val onBack: () -> Unit) : FrameLayout(context) {
    private val column = context.column()
    private var page: Page? = null
    private var isDemo = false

    init {
        setBackgroundColor(context.getColor(R.color.background))
        addView(column, LayoutParams(LayoutParams.MATCH_PARENT, LayoutParams.MATCH_PARENT))
        setOnApplyWindowInsetsListener { _, insets ->
            @Suppress("DEPRECATION")
            column.setPadding(
                insets.systemWindowInsetLeft, insets.systemWindowInsetTop,
                insets.systemWindowInsetRight, insets.systemWindowInsetBottom,
            )
            @Suppress("DEPRECATION")
            insets.consumeSystemWindowInsets()
        }
    }

    fun show(screen: Screen, demo: Boolean) {
        val current = page
        if (demo == isDemo && current != null && current.update(screen)) return
        val next = pageOf(context, screen, model)
        page = next
        isDemo = demo
        column.removeAllViews()
        if (demo) column.add(banner())
        if (next.hasBack) column.add(bar())
        val scroll = ScrollView(context).apply {
            isFillViewport = true
            isVerticalScrollBarEnabled = true
            clipToPadding = false
            val above = if (next.hasBack) 0 else context.large
            setPadding(context.edge, above, context.edge, context.large)
            addView(next.body, ViewGroup.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT))
        }
        column.addView(scroll, LinearLayout.LayoutParams(LinearLayout.LayoutParams.MATCH_PARENT, 0, 1f))
        // Screen readers say the new screen's name.
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) announce(scroll, next.name)
        if (Settings.animates(context)) {
            scroll.alpha = 0f
            scroll.animate().alpha(1f).setDuration(resources.getInteger(R.integer.motion_quick).toLong()).start()
        }
    }

    /** Draws anew what has not changed itself: a permission was given. */
    fun redraw(screen: Screen) {
        page = null
        show(screen, isDemo)
    }

    @RequiresSdk(28)
    private fun announce(view: View, name: CharSequence) {
        view.accessibilityPaneTitle = name
    }

    private fun bar(): View = context.row().apply {
        setPadding(context.small, context.small, context.edge, 0)
        addView(context.iconButton(R.drawable.icon_back, context.say(R.string.back), onBack))
    }

    private fun banner(): View = context.text(context.say(R.string.demo_banner), Type.LABEL, R.color.demo).apply {
        setBackgroundColor(context.getColor(R.color.demo_soft))
        textAlignment = View.TEXT_ALIGNMENT_CENTER
        setPadding(context.medium, context.small, context.medium, context.small)
    }
}

/** What the person has set in the system. */
internal object Settings {
    fun animates(context: Context): Boolean = android.provider.Settings.Global.getFloat(
        context.contentResolver, android.provider.Settings.Global.ANIMATOR_DURATION_SCALE, 1f,
    ) != 0f
}

/** The one place where a screen finds its picture. */
internal fun pageOf(context: Context, screen: Screen, model: AppModel): Page = when (screen) {
    Screen.Opening -> opening(context)
    Screen.Welcome -> welcome(context, model)
    Screen.Activate -> activate(context, model)
    is Screen.TypeCode -> typeCode(context, screen, model)
    is Screen.Scan -> scan(context, model)
    is Screen.Digits -> digits(context, screen)
    is Screen.PinPad -> pinPad(context, screen, model)
    Screen.OfferBiometrics -> offerBiometrics(context, model)
    Screen.OfferNotifications -> offerNotifications(context, model)
    is Screen.BlockCode -> blockCode(context, screen, model)
    Screen.Ready -> ready(context, model)
    is Screen.ActiveLater -> activeLater(context, screen, model)
    is Screen.Home -> home(context, screen, model)
    is Screen.TypeNumber -> typeNumber(context, screen, model)
    is Screen.Asked -> asked(context, screen, model)
    is Screen.Refuse -> refuse(context, screen, model)
    is Screen.Result -> result(context, screen, model)
    is Screen.OfflineCode -> offlineCode(context, screen, model)
    is Screen.History -> history(context, screen, model)
    is Screen.Settings -> settings(context, screen, model)
    is Screen.ChooseLanguage -> chooseLanguage(context, screen, model)
    is Screen.Devices -> devices(context, screen, model)
    is Screen.Confirm -> confirm(context, screen, model)
    is Screen.Move -> move(context, screen, model)
    is Screen.MoveCode -> moveCode(context, screen, model)
    is Screen.People -> people(context, screen, model)
    is Screen.Support -> support(context, screen)
    Screen.ForgottenPin -> forgottenPin(context, model)
    Screen.Licences -> licences(context)
    is Screen.About -> about(context, screen)
    Screen.Demo -> demo(context, model)
    is Screen.Trouble -> trouble(context, screen, model)
}
