import JSON
public import NodeProtocol

/// The configuration of a kubelet 1.20 or later on a node: its files and its command line. Paths are those in the root
/// that it runs in.
public struct KubeletFiles: Sendable {
    private static let folder = "/etc/kubernetes"
    private static let configurationPath = folder + "/kubelet.json"
    private static let kubeconfigPath = folder + "/kubeconfig.json"
    private static let resolverPath = folder + "/resolv.conf"

    private let configuration: KubeletConfiguration

    public init(_ configuration: KubeletConfiguration) { self.configuration = configuration }

    public var files: [NodeFile] {
        var files = [
            NodeFile(Self.configurationPath, kubelet.canonicalText),
            NodeFile(Self.kubeconfigPath, kubeconfig.canonicalText, mode: 0o600),
            NodeFile(Self.resolverPath, configuration.nameServers.map { "nameserver \($0)\n" }.joined()),
            NodeFile("/etc/hosts", "127.0.0.1\tlocalhost\n\(configuration.address)\t\(configuration.nodeName)\n"),
            NodeFile("/etc/machine-id", "\n"),
            NodeFile(pem("server-ca.crt"), configuration.server.authorityPEM),
            NodeFile(pem("client.crt"), configuration.server.certificatePEM),
            NodeFile(pem("client.key"), configuration.server.keyPEM, mode: 0o600),
        ]
        if let serving = configuration.serving {
            files += [
                NodeFile(pem("serving.crt"), serving.certificatePEM),
                NodeFile(pem("serving.key"), serving.keyPEM, mode: 0o600),
                NodeFile(pem("client-ca.crt"), serving.clientAuthorityPEM),
            ]
        }
        return files
    }

    public var arguments: [String] {
        var words = [
            "/usr/bin/kubelet", "--config=\(Self.configurationPath)", "--kubeconfig=\(Self.kubeconfigPath)",
            "--container-runtime=remote", "--container-runtime-endpoint=unix://\(ContainerdFiles.socket)",
            "--hostname-override=\(configuration.nodeName)", "--node-ip=\(configuration.address)", "--v=0",
        ]
        let labels = configuration.labels.filter { Self.mayRegister($0.key) }.sorted { $0.key < $1.key }
        if !labels.isEmpty {
            words.append("--node-labels=" + labels.map { "\($0.key)=\($0.value)" }.joined(separator: ","))
        }
        if !configuration.taints.isEmpty {
            let taints = configuration.taints.map { "\($0.key)=\($0.value):\($0.effect)" }
            words.append("--register-with-taints=" + taints.joined(separator: ","))
        }
        return words
    }

    /// The labels that a kubelet may not give its own node, and which it does without.
    public var refusedLabels: [String] {
        configuration.labels.keys.filter { !Self.mayRegister($0) }.sorted()
    }

    private static let ownLabels: Set<String> = [
        "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.kubernetes.io/region", "failure-domain.kubernetes.io/zone", "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    ]

    /// Whether a kubelet takes a label on its command line (`IsKubeletLabel` in `pkg/kubelet/apis/well_known_labels.go`).
    static func mayRegister(_ key: String) -> Bool {
        guard let slash = key.firstIndex(of: "/") else { return true }
        let domain = key[..<slash]
        func isIn(_ parent: String) -> Bool { domain == parent || domain.hasSuffix("." + parent) }
        guard isIn("kubernetes.io") || isIn("k8s.io") else { return true }
        return ownLabels.contains(key) || isIn("kubelet.kubernetes.io") || isIn("node.kubernetes.io")
    }

    private func pem(_ name: String) -> String { "\(Self.folder)/pki/\(name)" }

    /// The memory that a node must have left. A kubelet does not start with a quantity of zero; its word for no threshold
    /// is `0%` (`parseThresholdStatement` in `pkg/kubelet/eviction/helpers.go`).
    private var memoryThreshold: String {
        let given = configuration.evictionHard["memory.available"] ?? "16Mi"
        return given.prefix { $0.isNumber }.allSatisfy { $0 == "0" } ? "0%" : given
    }

    /// Nodes of a lab are small and slow: the node's own limits of resources are off, which costs a half of an idle
    /// kubelet's time, and a node is ready with the next of its reports, which therefore come every second.
    private var kubelet: JSONValue {
        var members: [String: JSONValue] = [
            "apiVersion": .string("kubelet.config.k8s.io/v1beta1"), "kind": .string("KubeletConfiguration"),
            "cgroupDriver": .string("cgroupfs"), "cgroupsPerQOS": .bool(false), "enforceNodeAllocatable": .array([]),
            "failSwapOn": .bool(false), "nodeStatusUpdateFrequency": .string("1s"),
            "volumeStatsAggPeriod": .string("0s"), "makeIPTablesUtilChains": .bool(false),
            "readOnlyPort": .integer(0), "maxPods": .integer(Int64(configuration.maximumPods)),
            "clusterDomain": .string(configuration.clusterDomain),
            "clusterDNS": .array(configuration.clusterDNS.map { .string($0) }),
            "resolvConf": .string(Self.resolverPath), "staticPodPath": .string("/etc/kubernetes/manifests"),
            "imageGCHighThresholdPercent": .integer(100),
            "evictionHard": .object([
                "memory.available": .string(memoryThreshold), "nodefs.available": .string("1%"),
                "imagefs.available": .string("1%"),
            ]),
            "authorization": .object(["mode": .string("AlwaysAllow")]),
        ]
        if let provider = configuration.providerID { members["providerID"] = .string(provider) }
        var x509: [String: JSONValue] = [:]
        if let serving = configuration.serving {
            members["port"] = .integer(Int64(serving.port))
            members["tlsCertFile"] = .string(pem("serving.crt"))
            members["tlsPrivateKeyFile"] = .string(pem("serving.key"))
            x509["clientCAFile"] = .string(pem("client-ca.crt"))
        }
        members["authentication"] = .object([
            "anonymous": .object(["enabled": .bool(false)]), "webhook": .object(["enabled": .bool(false)]),
            "x509": .object(x509),
        ])
        return .object(members)
    }

    private var kubeconfig: JSONValue {
        func named(_ name: String, _ kind: String, _ value: [String: JSONValue]) -> JSONValue {
            .array([.object(["name": .string(name), kind: .object(value)])])
        }
        return .object([
            "apiVersion": .string("v1"), "kind": .string("Config"), "current-context": .string("lab"),
            "clusters": named(
                "lab", "cluster",
                [
                    "server": .string("https://\(configuration.server.host):\(configuration.server.port)"),
                    "certificate-authority": .string(pem("server-ca.crt")),
                ]),
            "users": named(
                "node", "user",
                [
                    "client-certificate": .string(pem("client.crt")), "client-key": .string(pem("client.key")),
                ]),
            "contexts": named("lab", "context", ["cluster": .string("lab"), "user": .string("node")]),
        ])
    }
}
