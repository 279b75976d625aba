package dk.godkend.app

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Typeface
import android.text.Layout
import android.text.StaticLayout
import android.text.TextPaint
import android.view.MotionEvent
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.Button

/**
 * Slide to approve. The button beside it does the same (WCAG 2.5.7), and so do a click by a screen reader, a switch or the
 * keyboard on the slide itself.
 */
@SuppressLint("ViewConstructor")
internal class SlideToApprove(context: Context, private val words: String, private val done: () -> Unit) : View(context) {
    private val high = context.px(R.dimen.size_key)
    private val inset = context.px(R.dimen.space_hair)
    private val track = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.accent_soft) }
    private val thumb = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.accent) }
    private val ring = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.accent)
        style = Paint.Style.STROKE
        strokeWidth = resources.displayMetrics.density * 2
    }
    private val letters = TextPaint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.text)
        textSize = resources.getDimension(R.dimen.type_strong)
        typeface = Typeface.create("sans-serif-medium", Typeface.NORMAL)
    }
    private val arrow = context.getDrawable(R.drawable.icon_forward)?.mutate()?.apply { setTint(context.getColor(R.color.on_accent)) }
    private var label: StaticLayout? = null
    private var travelled = 0f
    private var grabbedAt: Float? = null

    init {
        isFocusable = true
        isClickable = true
        contentDescription = words
        defaultFocusHighlightEnabled = false
        setOnClickListener { done() }
    }

    private val size get() = height - 2 * inset
    private val way get() = (width - height).toFloat().coerceAtLeast(1f)

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val width = MeasureSpec.getSize(widthSpec)
        // The words stand right of the thumb and may need two lines when the text is large.
        val room = (width - high - high / 2).coerceAtLeast(high)
        label = StaticLayout.Builder.obtain(words, 0, words.length, letters, room).setAlignment(Layout.Alignment.ALIGN_CENTER).build()
        setMeasuredDimension(width, maxOf(high, (label?.height ?: 0) + 4 * inset))
    }

    override fun onDraw(canvas: Canvas) {
        val round = height / 2f
        canvas.drawRoundRect(0f, 0f, width.toFloat(), height.toFloat(), round, round, track)
        label?.let {
            letters.alpha = (OPAQUE * (1 - travelled / way)).toInt().coerceIn(0, OPAQUE)
            canvas.save()
            canvas.translate(if (mirrored) height / 4f else height + 0f, (height - it.height) / 2f)
            it.draw(canvas)
            canvas.restore()
        }
        val left = if (mirrored) width - inset - size - travelled else inset + travelled
        val middle = left + size / 2f
        canvas.drawCircle(middle, height / 2f, size / 2f, thumb)
        arrow?.let {
            val half = size / 5
            it.setBounds(middle.toInt() - half, height / 2 - half, middle.toInt() + half, height / 2 + half)
            it.draw(canvas)
        }
        if (isFocused) canvas.drawRoundRect(inset / 2f, inset / 2f, width - inset / 2f, height - inset / 2f, round, round, ring)
    }

    private val mirrored get() = layoutDirection == LAYOUT_DIRECTION_RTL

    @SuppressLint("ClickableViewAccessibility")
    override fun onTouchEvent(event: MotionEvent): Boolean {
        if (!isEnabled) return false
        val x = if (mirrored) width - event.x else event.x
        when (event.actionMasked) {
            MotionEvent.ACTION_DOWN -> {
                if (x > height * 1.2f) return false
                grabbedAt = x
                parent?.requestDisallowInterceptTouchEvent(true)
            }
            MotionEvent.ACTION_MOVE -> grabbedAt?.let { move(x - it) }
            MotionEvent.ACTION_UP -> {
                val through = grabbedAt != null && travelled >= way * THROUGH
                grabbedAt = null
                if (through) done() else rest()
            }
            MotionEvent.ACTION_CANCEL -> rest()
        }
        return true
    }

    private fun move(by: Float) {
        travelled = by.coerceIn(0f, way)
        invalidate()
    }

    /** Back to where it starts, unless a finger holds it. */
    fun rest() {
        if (grabbedAt == null) move(0f)
    }

    override fun onFocusChanged(gained: Boolean, direction: Int, previous: android.graphics.Rect?) {
        super.onFocusChanged(gained, direction, previous)
        invalidate()
    }

    override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
        super.onInitializeAccessibilityNodeInfo(info)
        info.className = Button::class.java.name
    }

    private companion object {
        const val OPAQUE = 255

        /** So much of the way counts as the whole. */
        const val THROUGH = 0.9f
    }
}
