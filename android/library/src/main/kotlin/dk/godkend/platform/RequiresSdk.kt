package dk.godkend.platform

/**
 * Only called on Android [sdk] or newer. The build checks everything else against minSdk 26; whoever calls what is marked
 * asks [android.os.Build.VERSION.SDK_INT] first.
 */
@Retention(AnnotationRetention.BINARY)
@Target(AnnotationTarget.FUNCTION, AnnotationTarget.CLASS, AnnotationTarget.CONSTRUCTOR)
annotation class RequiresSdk(val sdk: Int)
