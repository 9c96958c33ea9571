import JSON

/// A container of a pod: its present run, how the runs before ended, and why it does not run.
struct ContainerLife: Sendable {
    enum Phase: Sendable, Equatable {
        /// It has no program now. `terminated` says how the last one ended.
        case idle
        case starting(ContainerIdentity)
        case running(ContainerIdentity)
    }

    struct Waiting: Sendable, Equatable {
        var reason: String
        var message: String
    }

    /// A kill that is going on.
    struct Stop: Sendable, Equatable {
        /// When the program gets SIGKILL at the latest.
        var deadline: Duration
        /// Whether the preStop hook is still running.
        var awaitsHook: Bool
        var grace: Duration
    }

    struct Probe: Sendable, Equatable {
        /// What the probe's threshold has last decided; nil for a startup probe that has not decided.
        var result: Bool?
        var lastOutcome: Bool?
        var run: Int64 = 0
        var due: Duration
        var isInFlight = false
        /// It has decided on a kill: no probe until the next run.
        var isOnHold = false
    }

    var spec: PodContainer
    let isInit: Bool
    var phase = Phase.idle
    /// What a kubelet calls the reason cache: why it could not be started last.
    var waiting: Waiting?
    var terminated: Termination?
    /// How the run before that ended.
    var formerly: Termination?
    /// The present or last run, and the one before: their logs are there.
    var current: ContainerIdentity?
    var previous: ContainerIdentity?
    /// Restarts so far: the number of the present or last run.
    var restarts: Int64 = 0
    /// Whether the next start is a restart.
    var hasRun = false
    var startedUnix: Int64 = 0
    var startedAt = Duration.zero
    var backOff = BackOff()
    /// The run whose end the back-off has been counted for.
    var countedEnd: String?
    var imageBackOff = BackOff()
    /// No start is tried before.
    var due = Duration.zero
    var noticeDue = Duration.zero
    var stop: Stop?
    var awaitsPostStart = false
    var probes: [ProbeKind: Probe] = [:]
    /// Whether the end of the present run is no reason to start it again.
    var isImageChanged = false

    init(_ spec: PodContainer, isInit: Bool) {
        self.spec = spec
        self.isInit = isInit
    }

    var isStarting: Bool { if case .starting = phase { true } else { false } }
    var isActive: Bool { phase != .idle }
    var running: ContainerIdentity? { if case .running(let identity) = phase { identity } else { nil } }
    var hasSucceeded: Bool { phase == .idle && terminated?.exitCode == 0 }

    /// Whether its startup probe has succeeded, or there is none.
    var hasStarted: Bool {
        guard running != nil, !awaitsPostStart else { return false }
        return spec.startup == nil || probes[.startup]?.result == true
    }

    var isReady: Bool {
        if isInit { return hasSucceeded }
        guard hasStarted else { return false }
        return spec.readiness == nil || probes[.readiness]?.result == true
    }

    /// Whether it is to run (again), as things are.
    func wantsRun(_ policy: PodSpec.RestartPolicy) -> Bool {
        guard phase == .idle else { return false }
        guard let terminated else { return true }
        if isInit { return terminated.exitCode != 0 && policy != .never }
        switch policy {
        case .always: return true
        case .onFailure: return terminated.exitCode != 0
        case .never: return isImageChanged
        }
    }
}

/// How a run of a container ended (`v1.ContainerStateTerminated`).
struct Termination: Sendable, Equatable {
    var id: String
    var exitCode: Int64
    var signal: Int64?
    var reason: String
    var message: String
    /// Microseconds since 1970.
    var started: Int64
    var finished: Int64
    /// When it ended on the monotonic clock; nil if that was before this boot.
    var at: Duration?

    init(_ exit: ContainerExit, id: String, takesMessageFromLog: Bool, started: Int64, now: KubeletTime) {
        self.id = id
        exitCode = Int64(exit.exitCode)
        signal = exit.signal.map { Int64($0) }
        reason = exit.isOutOfMemory ? "OOMKilled" : exit.exitCode == 0 ? "Completed" : "Error"
        message = exit.terminationMessage
        if message.isEmpty, takesMessageFromLog, exit.exitCode != 0 { message = exit.lastLog }
        self.started = started
        finished = now.unixMicroseconds
        at = now.monotonic
    }

    /// - Parameter failure: Why a program could not be started.
    init(startFailure failure: String, id: String, now: KubeletTime) {
        self.id = id
        exitCode = 128
        reason = "StartError"
        message = failure
        started = 0
        finished = now.unixMicroseconds
        at = now.monotonic
    }

    /// A run that the API server knows and this boot does not.
    init?(state: JSONValue?, now: KubeletTime) {
        if let terminated = state?["terminated"] {
            exitCode = terminated["exitCode"]?.integerValue ?? 0
            signal = terminated["signal"]?.integerValue
            reason = terminated["reason"]?.text ?? ""
            message = terminated["message"]?.text ?? ""
            started = terminated["startedAt"]?.text.flatMap(Timestamp.parse) ?? 0
            finished = terminated["finishedAt"]?.text.flatMap(Timestamp.parse) ?? 0
            id = terminated["containerID"]?.text.map(Self.bare) ?? ""
        } else if let running = state?["running"] {
            // What a runtime says of a container that a boot has ended.
            exitCode = 255
            reason = "Unknown"
            message = ""
            started = running["startedAt"]?.text.flatMap(Timestamp.parse) ?? 0
            finished = now.unixMicroseconds
            id = ""
        } else {
            return nil
        }
    }

    static func bare(_ id: String) -> String {
        id.lastIndex(of: "/").map { String(id[id.index(after: $0)...]) } ?? id
    }

    func json(_ scheme: String) -> JSONValue {
        var members: [String: JSONValue] = [
            "exitCode": .integer(exitCode), "startedAt": .string(Timestamp.seconds(started)),
            "finishedAt": .string(Timestamp.seconds(finished)),
        ]
        if !reason.isEmpty { members["reason"] = .string(reason) }
        if !message.isEmpty { members["message"] = .string(message) }
        if let signal { members["signal"] = .integer(signal) }
        if !id.isEmpty { members["containerID"] = .string("\(scheme)://\(id)") }
        return .object(["terminated": .object(members)])
    }
}
