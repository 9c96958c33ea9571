public import LinuxKernel

/// A program of the control plane.
public enum ControlPlaneServer: String, CaseIterable, Codable, Sendable, Hashable, CustomStringConvertible {
    case etcd
    case apiServer = "kube-apiserver"
    case controllerManager = "kube-controller-manager"
    case scheduler = "kube-scheduler"
    /// The datapath's operator, which labrun brings itself.
    case datapathOperator = "labrun-operator"
    /// The cloud's controller and autoscaler, which labrun brings itself.
    case cloudController = "labrun-cloud-controller"

    /// Kubernetes' own, without which nothing goes.
    public static let kubernetes: [ControlPlaneServer] = [.etcd, .apiServer, .controllerManager, .scheduler]

    /// Whether it is a program that labrun brings itself (`ServerProgram`). Such a one runs where the specification has
    /// settings for it.
    public var isOwn: Bool { !Self.kubernetes.contains(self) }

    /// The program's name, which is its log's name too.
    public var description: String { rawValue }

    /// The port on the loopback interface of the control plane's namespace where it tells its health; the API server's
    /// is the cluster's own.
    var loopbackPort: UInt16? {
        switch self {
        case .etcd: 2379
        case .apiServer: nil
        case .controllerManager: 10257
        case .scheduler: 10259
        case .datapathOperator: 9234
        case .cloudController: 9235
        }
    }
}

/// What a server's process does.
public enum ServerCondition: Sendable, Hashable {
    case running
    /// It is there, and every thread of it is stopped.
    case stopped
    /// It is not there.
    case ended
}

/// A server of the control plane has ended.
public struct ControlPlaneNotice: Sendable, Hashable {
    public let server: ControlPlaneServer
    public let status: ExitStatus
    /// The last lines of its log, the oldest first, each cut to 1,000 octets. They are the program's own text.
    public let lastLines: [String]
    /// Whether `ControlPlane` was asked to end it.
    public let wasExpected: Bool

    public init(server: ControlPlaneServer, status: ExitStatus, lastLines: [String], wasExpected: Bool) {
        self.server = server
        self.status = status
        self.lastLines = lastLines
        self.wasExpected = wasExpected
    }
}
