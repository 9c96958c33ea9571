/// Somebody whom the API server knows by a client certificate that is made here.
public enum ControlPlaneUser: Sendable, Hashable {
    /// `labrun`, in the group `system:masters`.
    case admin
    case controllerManager
    case scheduler
    /// A program that labrun brings itself, under its own name.
    case own(ControlPlaneServer)
    /// The kubelet of a node, `system:node:NAME`.
    case node(String)

    /// The name that RBAC and the audit log know.
    public var name: String {
        switch self {
        case .admin: "labrun"
        case .controllerManager: "system:kube-controller-manager"
        case .scheduler: "system:kube-scheduler"
        case .own(let server): server.rawValue
        case .node(let name): "system:node:\(name)"
        }
    }

    /// The groups that RBAC knows.
    ///
    /// The controller manager is a master: with `--use-service-account-credentials` instead, each of its controllers
    /// first waits for a service account of its own, and the first deployment's pods are bound 2.7 s later.
    public var groups: [String] {
        switch self {
        case .admin, .controllerManager: ["system:masters"]
        case .scheduler, .own: []
        case .node: ["system:nodes"]
        }
    }
}
