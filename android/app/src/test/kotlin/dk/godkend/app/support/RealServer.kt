package dk.godkend.app.support

import org.json.JSONObject
import java.io.BufferedReader
import java.io.File
import java.nio.file.Files
import java.util.concurrent.TimeUnit

/**
 * The real server in a process of its own, with a desk and a bank beside it: `godkend serve`, `godkend create-citizen` and
 * so on. It takes only keys that [Attestations] has vouched for.
 */
class RealServer(private val change: (String) -> String = { it }) : AutoCloseable {
    private val folder: File = Files.createTempDirectory("godkend-android").toFile()
    private var process: Process? = null

    init {
        // The first start makes the environment; then it is told which phones it may take.
        start()
        restart { change(it.replace("mode = \"software_allowed\"", attestation())) }
    }

    private fun attestation() = """
        |mode = "required"
        |[attestation.android]
        |packages = ["${Attestations.PACKAGE}"]
        |signer_digests = ["${Attestations.SIGNER.joinToString("") { "%02x".format(it) }}"]
        |test_roots = '''
        |${Attestations.rootPem}'''
    """.trimMargin()

    /** What the app is built with. */
    val roots: String get() = File(folder, "server/data/root.json").readText()

    /** Stops it, changes its configuration, and starts it again. */
    fun restart(change: (String) -> String) {
        stop()
        val configuration = File(folder, "server/godkend.toml")
        val before = configuration.readText()
        configuration.writeText(change(before).also { check(it != before) { "nothing was changed" } })
        start()
    }

    fun start() {
        val process = command("serve", "--test", "--listen", "127.0.0.1:0").redirectError(File(folder, "server.log")).start()
        this.process = process
        val line = process.inputStream.bufferedReader().readLine() ?: error("the server did not start:\n${log()}")
        check(JSONObject(line).getString("type") == "serving") { line }
    }

    /** Ends it at once, as a power cut does. */
    fun kill() {
        process?.destroyForcibly()?.waitFor()
        process = null
    }

    private fun stop() {
        process?.destroy()
        process?.waitFor(20, TimeUnit.SECONDS)
        process = null
    }

    fun log(): String = File(folder, "server.log").takeIf(File::exists)?.readText() ?: ""

    override fun close() {
        kill()
        folder.deleteRecursively()
    }

    private fun command(vararg arguments: String): ProcessBuilder {
        val program = checkNotNull(System.getProperty("godkend.server")) { "godkend.server names no program" }
        val builder = ProcessBuilder(listOf(program, *arguments, "--json"))
        val environment = builder.environment()
        environment["GODKEND_HOME"] = File(folder, "home").path
        environment["GODKEND_DIR"] = File(folder, "server").path
        return builder
    }

    /** One command of the desk's, with [input] typed; its last line. */
    fun desk(vararg arguments: String, input: String? = null): JSONObject {
        val process = command(*arguments).redirectError(File(folder, "desk.log")).start()
        process.outputStream.bufferedWriter().use { typed -> input?.let { typed.write(it + "\n") } }
        val lines = process.inputStream.bufferedReader().readLines()
        check(process.waitFor() == 0) { "${arguments.first()}: $lines ${File(folder, "desk.log").readText()}" }
        return JSONObject(lines.last())
    }

    /** A new citizen; the user id. */
    fun citizen(name: String = "Anna Andersen"): String {
        val userId = "anna.${counter++}"
        desk("create-citizen", "--name", name, "--user-id", userId, "--born", "1990-05-17")
        return userId
    }

    /** A bank's request for a login or a payment. */
    fun ask(vararg arguments: String) = Asked(command(*arguments).redirectErrorStream(true).start())

    /** What the bank waits for. */
    class Asked(private val process: Process) : AutoCloseable {
        private val output: BufferedReader = process.inputStream.bufferedReader()
        private val started = JSONObject(output.readLine()).also { check(it.getString("type") == "login_started") { it } }

        /** The number on the other screen. */
        val number: String get() = started.getString("number")

        /** The link on the same device. */
        val link: String get() = started.getString("link")

        /** What the bank was told in the end. */
        fun outcome(): JSONObject {
            val last = output.readLines().last { it.startsWith("{") }
            process.waitFor()
            return JSONObject(last)
        }

        override fun close() {
            process.destroyForcibly()
        }
    }

    companion object {
        private var counter = 1

        /** One for all tests that do not harm it. */
        val shared: RealServer by lazy {
            RealServer().also { server -> Runtime.getRuntime().addShutdownHook(Thread(server::close)) }
        }
    }
}
