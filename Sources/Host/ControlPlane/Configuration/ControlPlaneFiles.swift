/// The paths of a control plane's files.
struct ControlPlaneFiles: Sendable {
    struct Pair: Sendable {
        let certificate: String
        let key: String
    }

    /// The folder of secrets and state.
    let folder: String
    /// The folder of logs, which holds no secrets.
    let artifacts: String

    var authority: String { "\(folder)/pki/ca.crt" }
    var authorityKey: String { "\(folder)/pki/ca.key" }
    var apiServer: Pair { pair("apiserver") }
    var kubeletClient: Pair { pair("apiserver-kubelet-client") }
    var etcdAuthority: String { "\(folder)/pki/etcd-ca.crt" }
    var etcd: Pair { pair("etcd-server") }
    var etcdClient: Pair { pair("apiserver-etcd-client") }
    var proxyAuthority: String { "\(folder)/pki/front-proxy-ca.crt" }
    var proxyClient: Pair { pair("front-proxy-client") }
    /// What the controller manager and the scheduler serve their health with.
    var loopback: Pair { pair("loopback") }
    /// The key that signs service accounts' tokens.
    var accountsKey: String { "\(folder)/pki/sa.key" }
    var accountsPublicKey: String { "\(folder)/pki/sa.pub" }
    var auditPolicy: String { "\(folder)/audit-policy.yaml" }
    var etcdData: String { "\(folder)/etcd" }
    var auditLog: String { "\(artifacts)/audit.log" }

    /// The folders to make, parents first.
    var secretFolders: [String] { [folder, "\(folder)/pki", etcdData] }

    func log(of server: ControlPlaneServer) -> String { "\(artifacts)/\(server.rawValue).log" }

    /// What a program that labrun brings itself is started with.
    func configuration(of server: ControlPlaneServer) -> String { "\(folder)/\(server.rawValue).json" }

    func kubeconfig(_ user: ControlPlaneUser) -> String {
        let name =
            switch user {
            case .admin: "admin"
            case .controllerManager: "controller-manager"
            case .scheduler: "scheduler"
            case .own(let server): server.rawValue
            case .node(let name): "node-\(name)"
            }
        return "\(folder)/\(name).conf"
    }

    private func pair(_ name: String) -> Pair {
        Pair(certificate: "\(folder)/pki/\(name).crt", key: "\(folder)/pki/\(name).key")
    }
}
