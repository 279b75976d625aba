package dk.godkend.platform

import android.content.Context
import android.util.AtomicFile
import dk.godkend.StateStore
import dk.godkend.StoreException
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException

/**
 * The state in one file that no backup and no move to another phone carries along. The binding has sealed it under a key
 * of the phone's hardware before it comes here. Replaced whole or not at all, and flushed before a save returns.
 */
class FileStateStore(private val file: AtomicFile) : StateStore {
    constructor(context: Context) : this(AtomicFile(File(context.noBackupFilesDir, "godkend.state")))

    override fun load(): ByteArray? = try {
        file.readFully()
    } catch (missing: FileNotFoundException) {
        // Also what is there and cannot be opened has this name: taken for none, it would be overwritten.
        if (file.baseFile.exists()) throw StoreException.Failed(missing.javaClass.simpleName)
        null
    } catch (failed: IOException) {
        throw StoreException.Failed(failed.javaClass.simpleName)
    }

    override fun save(blob: ByteArray) {
        try {
            val stream = file.startWrite()
            try {
                stream.write(blob)
                stream.flush()
                stream.fd.sync()
            } catch (failed: IOException) {
                file.failWrite(stream)
                throw failed
            }
            file.finishWrite(stream)
        } catch (failed: IOException) {
            throw StoreException.Failed(failed.javaClass.simpleName)
        }
    }
}
