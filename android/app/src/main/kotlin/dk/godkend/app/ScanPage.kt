package dk.godkend.app

import android.Manifest
import android.annotation.SuppressLint
import android.content.Context
import android.content.pm.PackageManager
import android.graphics.ImageFormat
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.view.Surface
import android.view.TextureView
import dk.godkend.screens.AppModel

internal fun scan(context: Context, model: AppModel): Page = with(context) {
    val body = column().apply {
        add(title(say(R.string.scan_title)), small)
        add(text(say(R.string.scan_text), Type.BODY, R.color.text_soft), small)
        if (checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED) {
            val camera = CameraView(context) { model.scanned(it) }
            camera.contentDescription = say(R.string.scan_viewfinder)
            addView(camera, android.widget.LinearLayout.LayoutParams(android.widget.LinearLayout.LayoutParams.MATCH_PARENT, px(R.dimen.size_key) * 5).apply { topMargin = large })
        } else {
            activity()?.askForCamera()
            add(notice(say(R.string.scan_no_camera), R.color.warning_soft, R.color.warning, R.drawable.icon_alert), large)
        }
        push()
        add(button(say(R.string.home_number), Weight.SECOND) { model.typeInstead() }, large)
    }
    Page(body, say(R.string.scan_title))
}

/** The camera's picture, and what it reads. Nothing of the picture is kept. */
@SuppressLint("ViewConstructor")
internal class CameraView(context: Context, private val found: (String) -> Unit) : TextureView(context), TextureView.SurfaceTextureListener {
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null
    private var thread: HandlerThread? = null
    private var isDone = false

    init {
        surfaceTextureListener = this
    }

    override fun onSurfaceTextureAvailable(texture: SurfaceTexture, width: Int, height: Int) = open(texture)

    override fun onSurfaceTextureSizeChanged(texture: SurfaceTexture, width: Int, height: Int) = Unit

    override fun onSurfaceTextureUpdated(texture: SurfaceTexture) = Unit

    override fun onSurfaceTextureDestroyed(texture: SurfaceTexture): Boolean {
        close()
        return true
    }

    @SuppressLint("MissingPermission")
    private fun open(texture: SurfaceTexture) {
        val manager = context.getSystemService(CameraManager::class.java) ?: return
        val thread = HandlerThread("camera").apply { start() }.also { this.thread = it }
        val handler = Handler(thread.looper)
        texture.setDefaultBufferSize(WIDTH, HEIGHT)
        val images = ImageReader.newInstance(WIDTH, HEIGHT, ImageFormat.YUV_420_888, 2).also { reader = it }
        images.setOnImageAvailableListener({ it.acquireLatestImage()?.use(::look) }, handler)
        try {
            val back = manager.cameraIdList.firstOrNull {
                manager.getCameraCharacteristics(it)[CameraCharacteristics.LENS_FACING] == CameraCharacteristics.LENS_FACING_BACK
            } ?: return
            manager.openCamera(back, Opened(Surface(texture), images.surface, handler), handler)
        } catch (_: CameraAccessException) {
            close()
        } catch (_: SecurityException) {
            // The permission was taken away meanwhile: the number can still be typed.
            close()
        }
    }

    private inner class Opened(private val screen: Surface, private val images: Surface, private val handler: Handler) :
        CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            device = camera
            @Suppress("DEPRECATION")
            camera.createCaptureSession(
                listOf(screen, images),
                object : CameraCaptureSession.StateCallback() {
                    override fun onConfigured(session: CameraCaptureSession) {
                        val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW).apply {
                            addTarget(screen)
                            addTarget(images)
                            set(CaptureRequest.CONTROL_AF_MODE, CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_PICTURE)
                        }
                        session.setRepeatingRequest(request.build(), null, handler)
                    }

                    override fun onConfigureFailed(session: CameraCaptureSession) = close()
                },
                handler,
            )
        }

        override fun onDisconnected(camera: CameraDevice) = close()

        override fun onError(camera: CameraDevice, error: Int) = close()
    }

    private fun look(image: Image) {
        val plane = image.planes[0]
        val luminance = ByteArray(plane.buffer.remaining()).also(plane.buffer::get)
        val text = Qr.read(luminance, plane.rowStride, image.width, image.height) ?: return
        post {
            if (!isDone) {
                isDone = true
                found(text)
            }
        }
    }

    private fun close() {
        device?.close()
        reader?.close()
        thread?.quitSafely()
        device = null
        reader = null
        thread = null
    }

    private companion object {
        const val WIDTH = 1280
        const val HEIGHT = 720
    }
}

