package dk.godkend.app.support

import java.io.File

/** The project's own files, for tests that read them. */
object Tree {
    private val root = File(checkNotNull(System.getProperty("godkend.tree")) { "godkend.tree names no folder" })

    fun file(path: String) = File(root, path)
}
