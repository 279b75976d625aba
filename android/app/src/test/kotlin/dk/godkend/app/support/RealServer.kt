package dk.godkend.app.support

import org.json.JSONObject
import java.io.File
import java.nio.file.Files
import java.util.concurrent.TimeUnit

/**
 * The real server in a process of its own, with a desk and a bank beside it: `godkend serve`, `godkend create-citizen` and
 * so on. All its commands have [environment] added to theirs.
 */
class RealServer(
    private val takes: Keys = Keys.ATTESTED,
    listen: String = "127.0.0.1:0",
    private val environment: Map<String, String> = emptyMap(),
    private val change: (String) -> String = { it },
) : AutoCloseable {
    /** Which phones' keys it takes. */
    enum class Keys {
        /** Those that [Attestations] has vouched for. */
        ATTESTED,

        /** Those in software too: of `godkend activate`, and of the binding's `Desktop`. */
        ANY,

        /** Those in software. */
        PLAYED,
    }

    private val folder: File = Files.createTempDirectory("godkend-android").toFile()
    private var process: Process? = null

    init {
        // The first start makes the environment; then it is told which phones it may take.
        start(listen)
        if (takes != Keys.PLAYED) restart { change(it.replace("mode = \"software_allowed\"", attestation())) }
    }

    private fun attestation() = """
        |mode = "${if (takes == Keys.ANY) "software_allowed" else "required"}"
        |[attestation.android]
        |packages = ["${Attestations.PACKAGE}"]
        |signer_digests = ["${Attestations.SIGNER.joinToString("") { "%02x".format(it) }}"]
        |test_roots = '''
        |${Attestations.rootPem}'''
    """.trimMargin()

    /** What the app is built with. */
    val roots: String get() = File(folder, "server/data/root.json").readText()

    /** Where it listens, also after a restart. */
    lateinit var address: String
        private set

    /** Stops it, changes its configuration, and starts it again. */
    fun restart(change: (String) -> String) {
        stop()
        val configuration = File(folder, "server/godkend.toml")
        val before = configuration.readText()
        configuration.writeText(change(before).also { check(it != before) { "nothing was changed" } })
        start()
    }

    fun start(listen: String = "127.0.0.1:0") {
        val process = command("serve", "--test", "--listen", listen).redirectError(File(folder, "server.log")).start()
        this.process = process
        val line = process.inputStream.bufferedReader().readLine() ?: error("the server did not start:\n${log()}")
        val serving = JSONObject(line)
        check(serving.getString("type") == "serving") { line }
        address = "127.0.0.1:" + serving.getString("url").substringAfterLast(':')
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
        val all = environment + mapOf("GODKEND_HOME" to File(folder, "home").path, "GODKEND_DIR" to File(folder, "server").path)
        builder.environment().putAll(all)
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

    /** A new citizen, with [more] asked for; the user id. */
    fun citizen(name: String = "Anna Andersen", vararg more: String): String {
        val userId = "anna.${counter++}"
        desk("create-citizen", "--name", name, "--user-id", userId, "--born", "1990-05-17", *more)
        return userId
    }

    /** Another of the person's phones, played by `godkend`, or anything else that goes on for a while. */
    fun program(vararg arguments: String) = Program(command(*arguments).redirectErrorStream(true).start())

    /** A bank's request for a login or a payment. */
    fun ask(vararg arguments: String) = Asked(program(*arguments))

    /** A file in this server's folder, such as a picture that a bank draws. */
    fun file(name: String) = File(folder, name)

    /** A command that says what happens, a line of JSON at a time. */
    class Program(private val process: Process) : AutoCloseable {
        private val output = process.inputStream.bufferedReader()
        private val input = process.outputStream.bufferedWriter()

        /** Types a line. */
        fun type(line: String) {
            input.write(line + "\n")
            input.flush()
        }

        /** Its next report of this type; what it says before is passed over. */
        fun next(type: String): JSONObject {
            val passed = mutableListOf<String>()
            while (true) {
                val line = output.readLine() ?: error("no $type came: $passed")
                val report = line.takeIf { it.startsWith("{") }?.let(::JSONObject)
                if (report?.getString("type") == type) return report
                passed += line
            }
        }

        val hasEnded: Boolean get() = !process.isAlive

        /** Its last report, once it has ended. */
        fun last(): JSONObject {
            val last = output.readLines().last { it.startsWith("{") }
            process.waitFor()
            return JSONObject(last)
        }

        override fun close() {
            process.destroyForcibly()
        }
    }

    /** What the bank waits for. */
    class Asked(private val program: Program) : AutoCloseable by program {
        private val started = program.next("login_started")

        /** The number on the other screen. */
        val number: String get() = started.getString("number")

        /** The link on the same device. */
        val link: String get() = started.getString("link")

        /** What its QR code holds for a phone without a network. */
        val offline: String get() = started.getString("offline")

        /** Types the code that such a phone shows into the browser. */
        fun type(code: String) = program.type(code)

        val hasEnded: Boolean get() = program.hasEnded

        /** What the bank was told in the end. */
        fun outcome(): JSONObject = program.last()
    }

    companion object {
        private var counter = 1

        /** One for all tests that do not harm it. */
        val shared: RealServer by lazy { untilTheEnd(RealServer()) }

        val any: RealServer by lazy { untilTheEnd(RealServer(Keys.ANY)) }
        val played: RealServer by lazy { untilTheEnd(RealServer(Keys.PLAYED)) }

        private fun untilTheEnd(server: RealServer) =
            server.also { Runtime.getRuntime().addShutdownHook(Thread(it::close)) }
    }
}
