import AgentAPI
import BPF
import DatapathModel
import LinuxKernel

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// The life of the agent's process: start, serve, look after itself, end in order.
enum AgentProcess {
    /// How often the agent makes sure that its programs are where it left them.
    private static let verification = Duration.seconds(2)

    /// How often it looks for flows that are over.
    private static let collection = Duration.seconds(30)

    /// - Returns: the exit status: 0 after SIGTERM or SIGINT, 1 when the agent cannot start.
    static func run(configPath: String) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        Log.info("datapathd starting", ["version": Agent.version, "pid": "\(getpid())"])
        var conflist: String?
        do {
            let settings = try settings(configPath)
            let signals = try SignalStream.descriptor(for: [SIGTERM, SIGINT])
            try AtomicFile.makeDirectories(settings.config.statePath)
            guard let lock = try FileLock.attempt(path: settings.config.statePath + "/lock") else {
                throw DatapathError.kernel("another datapathd runs with the state in \(settings.config.statePath)")
            }
            // From here on the conflist is this process's to answer for.
            conflist = settings.config.conflistPath
            try serve(settings, signals: signals)
            _ = consume lock
            return 0
        } catch {
            Log.error("datapathd failed", ["error": explain(error)])
            if let conflist { unlink(conflist) }
            return 1
        }
    }

    private static func serve(_ settings: AgentSettings, signals: Int32) throws {
        let agent = try Agent(settings: settings)
        agent.events.follow(pinnedBuffer: "\(BPFFilesystem.pins)/\(MapName.events)")
        let server = AgentServer { agent.answer($0) }
        try server.start(path: settings.config.socketPath)
        agent.verify()
        var nextCollection = Deadline.after(collection)
        while try !waitUntilReady(signals, events: Int16(POLLIN), until: .after(verification)) {
            agent.verify()
            guard nextCollection.hasPassed else { continue }
            agent.collectFlows()
            nextCollection = .after(collection)
        }
        agent.stop()
    }

    private static func settings(_ path: String) throws -> AgentSettings {
        guard let bytes = try AtomicFile.read(path) else {
            throw DatapathError.invalidConfiguration("\(path): no such file")
        }
        do {
            return try AgentSettings(try JSONDecoder().decode(AgentConfig.self, from: Data(bytes)))
        } catch let error as DecodingError {
            throw DatapathError.invalidConfiguration("\(path): \(error)")
        }
    }

    /// A verifier's refusal with the end of its log, where the reason stands.
    private static func explain(_ error: any Error) -> String {
        guard let failure = error as? LoadFailure else { return "\(error)" }
        let log = failure.log.split(separator: "\n").suffix(20)
        return ([failure.description] + log.map(String.init)).joined(separator: "\n")
    }
}
