import AgentAPI
import Files
import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The running agent: the core with its lock, the events, and the conflist that tells whether pods can be connected.
final class Agent: Sendable {
    static let version = "0.1.0"

    let settings: AgentSettings
    let events: EventLog
    private let core: Mutex<AgentCore>
    /// The agent's side of the API server; nil in a cluster without one.
    let server: ServerLink?
    /// Asks the cloud for addresses; nil if they come from elsewhere.
    private let keeper = Mutex<InterfaceKeeper?>(nil)

    init(settings: AgentSettings, server: ServerLink? = nil) throws {
        self.settings = settings
        self.server = server
        let started = try AgentCore.start(settings, allocation: server?.identities)
        events = started.events
        let names = started.features.proxy.names
        core = Mutex(started)
        names.setTakeOver { [weak self] answer in
            guard let self else { throw DatapathError.kernel("the agent has ended") }
            try withCore { core in try core.features.proxy.learn(answer, &core) }
        }
    }

    /// From now on, asks the cloud for addresses as pods come and go.
    func keepInterfaces() throws {
        guard settings.start != nil else { return }
        let keeper = try InterfaceKeeper(self)
        self.keeper.withLock { $0 = keeper }
        keeper.start()
    }

    /// Called when pods came or went.
    func addressesChanged() { keeper.withLock { $0?.wake() } }

    func withCore<Result: Sendable>(_ body: (inout AgentCore) throws -> Result) throws -> Result {
        try core.withLock { core throws -> Result in
            // Whatever the body changed in the maps, also if it failed in the middle, holds for the next packet.
            defer { Self.raiseRevision(core) }
            return try body(&core)
        }
    }

    private static func raiseRevision(_ core: borrowing AgentCore) {
        do {
            try core.programs.maps.raiseRevision()
        } catch {
            Log.error("flows keep their verdicts for up to a quarter of a second", ["error": "\(error)"])
        }
    }

    /// Checks whether the datapath is complete, and publishes or removes the conflist accordingly.
    func verify() {
        core.withLock { core in
            let before = core.problems
            core.verify()
            core.collectConnections()
            Self.raiseRevision(core)
            core.problems += server?.problems ?? []
            var conflist: String?
            do {
                conflist = try Conflist.text(settings.config)
            } catch {
                core.problems.append("\(error)")
            }
            if core.problems != before {
                if core.problems.isEmpty {
                    Log.info("datapath ready")
                } else {
                    Log.warning("datapath not ready", ["problems": core.problems.joined(separator: "; ")])
                }
            }
            do {
                try Self.publish(core.problems.isEmpty ? conflist : nil, settings.config)
            } catch {
                Log.error("cannot publish the conflist", ["error": "\(error)"])
                core.problems.append("\(error)")
            }
            server?.note(isReady: core.problems.isEmpty)
        }
    }

    /// Ends in order: no more pods may be requested. What forwards packets stays.
    func stop() {
        core.withLock { _ in
            unlink(settings.config.conflistPath)
            unlink(settings.config.socketPath)
        }
        Log.info("stopped; programs, maps and endpoints stay")
    }

    /// Writes the conflist when the agent is ready, and removes it otherwise. A file that is right is not touched.
    ///
    /// - Parameter text: Nil if the agent is not ready.
    static func publish(_ text: String?, _ config: AgentConfig) throws(SystemError) {
        let path = config.conflistPath
        guard let text else {
            unlink(path)
            return
        }
        if try AtomicFile.read(path) == Array(text.utf8) { return }
        try Directories.make(Directories.parent(of: path))
        try AtomicFile.write(text, to: path)
    }
}
