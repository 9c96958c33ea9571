import AgentAPI
import BPF
import DatapathModel
import DatapathOptions
import Files
import LinuxKernel

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// The life of the agent's process: it starts, serves, checks itself, and ends in order.
enum AgentProcess {
    /// The interval at which the agent checks that its programs are still attached.
    private static let verification = Duration.seconds(2)
    /// How long the agent waits for `spec.podCIDR` with `ipam.mode: kubernetes`.
    private static let podCIDRPatience = Duration.seconds(15)

    /// How long the agent waits for the cloud's first answer with `ipam.mode: eni`.
    private static let cloudPatience = Duration.seconds(30)

    /// The interval at which it looks for flows that are over.
    private static let collection = Duration.seconds(30)

    /// - Returns: The exit status: 0 after SIGTERM or SIGINT, 1 if the agent cannot start.
    static func run(configPath: String) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        Log.info("datapathd starting", ["version": Agent.version, "pid": "\(getpid())"])
        var conflist: String?
        do {
            let config = try config(configPath)
            let signals = try SignalStream.descriptor(for: [SIGTERM, SIGINT])
            try Directories.make(config.statePath)
            guard let lock = try FileLock.attempt(path: config.statePath + "/lock") else {
                throw DatapathError.kernel("another datapathd runs with the state in \(config.statePath)")
            }
            // From here on, this process is responsible for the conflist.
            conflist = config.conflistPath
            try serve(config, signals: signals)
            _ = consume lock
            return 0
        } catch {
            Log.error("datapathd failed", ["error": explain(error)])
            if let conflist { unlink(conflist) }
            return 1
        }
    }

    private static func serve(_ config: AgentConfig, signals: Int32) throws {
        let starting = try StartingAgent(config)
        let server = AgentServer { starting.answer($0) }
        var config = config
        let link = config.apiServer.map { ServerLink($0, nodeName: config.nodeName) }
        let waitsForRange = config.options.ipam.mode == .kubernetes || link != nil && config.options.ipam.mode != .eni
        if let link, waitsForRange {
            unlink(config.conflistPath)
            try server.start(path: config.socketPath)
            let store = try StateStore(directory: config.statePath)
            guard let range = try PodRange.obtain(config, link, store, signals: signals) else { return }
            config.podCIDR = range
        } else if config.options.ipam.mode == .kubernetes {
            // The range arrives over the socket, so the socket opens before there is a datapath. The conflist of an
            // earlier run would make the runtime ask for pods.
            unlink(config.conflistPath)
            try server.start(path: config.socketPath)
            let deadline = Deadline.after(podCIDRPatience)
            guard let range = try starting.waitForPodCIDR(until: deadline, signals: signals) else { return }
            Log.info("using spec.podCIDR", ["range": range])
            config.podCIDR = range
        }
        var start: FirstAddresses.Start?
        if config.options.ipam.mode == .eni {
            unlink(config.conflistPath)
            start = try FirstAddresses.obtain(config, until: .after(cloudPatience), signals: signals)
            guard let start else { return }
            Log.info(
                "addresses of network interfaces",
                [
                    "instance": start.instance.instanceID, "type": start.instance.instanceType,
                    "router": "\(start.router)", "health": "\(start.health)",
                ])
            config.podCIDR = "\(start.router)/32"
            config.clusterPodCIDRs = [start.instance.vpcCIDR]
        }
        var settings = try settings(config)
        Log.info("kernel features tried")
        settings.start = start
        let agent = try Agent(settings: settings, server: link)
        agent.events.follow(pins: BPFFilesystem.pins)
        starting.hand(over: agent)
        if !waitsForRange { try server.start(path: config.socketPath) }
        agent.followServer()
        agent.verify()
        agent.restoreServices()
        try agent.keepInterfaces()
        agent.collectFlows()
        var nextCollection = Deadline.after(collection)
        while try !waitUntilReady(signals, events: Int16(POLLIN), until: .after(verification)) {
            agent.verify()
            link?.look()
            guard nextCollection.hasPassed else { continue }
            agent.collectFlows()
            nextCollection = .after(collection)
        }
        agent.stop()
    }

    /// Returns the settings that the configuration gives on this kernel.
    ///
    /// - Throws: `DatapathError.kernelFeatureMissing` if it needs something that the kernel lacks.
    private static func settings(_ config: AgentConfig) throws -> AgentSettings {
        let masked = config.options.labrun.maskedKernelFeatures.compactMap { KernelFeature(rawValue: $0) }
        let features = try KernelFeatures.probe(masking: Set(masked))
        let support = try KernelSupport(config.options, on: features)
        for fallback in support.fallbacks { Log.warning(fallback) }
        var config = config
        config.options = support.options
        var settings = try AgentSettings(config)
        settings.kernelFeatures = features
        settings.bootID = try AtomicFile.read("/proc/sys/kernel/random/boot_id")
            .map { String(decoding: $0.prefix { $0 != 0x0A }, as: UTF8.self) }
        settings.fallbacks = support.fallbacks
        return settings
    }

    private static func config(_ path: String) throws -> AgentConfig {
        guard let bytes = try AtomicFile.read(path) else {
            throw DatapathError.invalidConfiguration("\(path): no such file")
        }
        do {
            return try JSONDecoder().decode(AgentConfig.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw DatapathError.invalidConfiguration("\(path): \(error)")
        }
    }

    /// Returns a verifier's refusal with the end of its log, which has the reason.
    private static func explain(_ error: any Error) -> String {
        guard let failure = error as? LoadFailure else { return "\(error)" }
        let log = failure.log.split(separator: "\n").suffix(20)
        return ([failure.description] + log.map(String.init)).joined(separator: "\n")
    }
}
