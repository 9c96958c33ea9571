import JSON

/// A condition of a node or pod.
struct Condition: Sendable, Equatable {
    var type: String
    var status: Bool
    var reason: String
    var message: String
    /// RFC 3339.
    var changed: String

    var statusText: String { status ? "True" : "False" }
}

extension Condition {
    static func memoryPressure(_ is_: Bool, at now: String) -> Condition {
        Condition(
            type: "MemoryPressure", status: is_,
            reason: is_ ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
            message: is_ ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available",
            changed: now)
    }
    /// A node's files are in memory; there is no disk that could be short.
    static func diskPressure(at now: String) -> Condition {
        Condition(
            type: "DiskPressure", status: false, reason: "KubeletHasNoDiskPressure",
            message: "kubelet has no disk pressure", changed: now)
    }
    static func pidPressure(at now: String) -> Condition {
        Condition(
            type: "PIDPressure", status: false, reason: "KubeletHasSufficientPID",
            message: "kubelet has sufficient PID available", changed: now)
    }
    /// - Parameter networkProblem: The words of ``NodeWords/networkProblem(_:)``; nil if the network is ready.
    static func ready(networkProblem: String?, at now: String) -> Condition {
        Condition(
            type: "Ready", status: networkProblem == nil,
            reason: networkProblem == nil ? "KubeletReady" : "KubeletNotReady",
            message: networkProblem ?? "kubelet is posting ready status", changed: now)
    }
}

enum NodeWords {
    /// - Parameter problem: What the network plugin says: `cni plugin not initialized`.
    static func networkProblem(_ problem: String) -> String {
        "runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: "
            + problem
    }
    static let uninitialized = "cni plugin not initialized"
}
