package dk.godkend.platform

import android.app.Activity
import android.app.Application
import android.os.Bundle
import java.lang.ref.WeakReference

/** Whether a person looks at the app, and at which activity. */
class Foreground(private val onChange: (Boolean) -> Unit) : Application.ActivityLifecycleCallbacks {
    private var started = 0
    private var front = WeakReference<Activity>(null)

    val isForeground: Boolean get() = started > 0

    /** The activity that a prompt can be shown over. */
    val activity: Activity? get() = front.get()

    override fun onActivityStarted(activity: Activity) {
        front = WeakReference(activity)
        if (started++ == 0) onChange(true)
    }

    override fun onActivityStopped(activity: Activity) {
        if (--started == 0) onChange(false)
    }

    override fun onActivityDestroyed(activity: Activity) {
        if (front.get() === activity) front.clear()
    }

    override fun onActivityCreated(activity: Activity, savedInstanceState: Bundle?) = Unit

    override fun onActivityResumed(activity: Activity) {
        front = WeakReference(activity)
    }

    override fun onActivityPaused(activity: Activity) = Unit

    override fun onActivitySaveInstanceState(activity: Activity, outState: Bundle) = Unit
}
