public import JSON

/// What containerd has written of a container (`config.json` of the OCI Runtime Specification), as far as a built-in
/// workload needs it.
public struct ContainerBundle: Sendable, Equatable {
    public struct Mount: Sendable, Equatable {
        /// A path of the node, in containerd's root.
        public var source: String
        public var target: String
    }

    public var namespace: String
    public var pod: String
    public var uid: String
    public var container: String
    /// The container's TCP and UDP ports.
    public var ports: [UInt16]
    public var environment: [String: String]
    public var mounts: [Mount]
    /// Whether its pod has the network of the node.
    public var isHostNetwork: Bool

    private static let most = 1024

    /// - Returns: Nil for what is no container of a pod.
    public init?(_ document: JSONValue) {
        let annotations = document["annotations"]
        func text(_ name: String) -> String? { annotations?["io.kubernetes." + name]?.text }
        guard let namespace = text("cri.sandbox-namespace"), let pod = text("cri.sandbox-name"),
            let container = text("cri.container-name"), text("cri.container-type") == "container"
        else { return nil }
        self.namespace = namespace
        self.pod = pod
        self.container = container
        var environment: [String: String] = [:]
        for variable in document["process"]?["env"]?.elements?.prefix(Self.most) ?? [] {
            guard let words = variable.text?.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false),
                words.count == 2
            else { continue }
            environment[String(words[0])] = String(words[1])
        }
        self.environment = environment
        mounts = (document["mounts"]?.elements?.prefix(Self.most) ?? []).compactMap { mount in
            guard mount["type"]?.text == "bind", let source = mount["source"]?.text,
                let target = mount["destination"]?.text
            else { return nil }
            return Mount(source: source, target: target)
        }
        uid = Self.uid(mounts)
        ports = Self.ports(text("container.ports") ?? "")
        let namespaces = document["linux"]?["namespaces"]?.elements ?? []
        isHostNetwork = !namespaces.contains { $0["type"]?.text == "network" }
    }

    /// The pod's UID, which is in the paths of what a kubelet mounts: `/var/lib/kubelet/pods/UID/etc-hosts`.
    private static func uid(_ mounts: [Mount]) -> String {
        let folder = "/var/lib/kubelet/pods/"
        for mount in mounts where mount.source.hasPrefix(folder) {
            return String(mount.source.dropFirst(folder.count).prefix { $0 != "/" })
        }
        return ""
    }

    private static func ports(_ text: String) -> [UInt16] {
        guard let value = try? JSONText.value(of: Array(text.utf8)) else { return [] }
        var seen: Set<UInt16> = []
        return (value.elements?.prefix(most) ?? []).compactMap { port in
            port["containerPort"]?.integerValue.flatMap { UInt16(exactly: $0) }
        }.filter { $0 > 0 && seen.insert($0).inserted }
    }

    /// Where a file of the container is on the node; nil if none of its volumes has it.
    public func source(of path: String) -> String? {
        guard !path.split(separator: "/").contains("..") else { return nil }
        let mount = mounts.filter { path == $0.target || path.hasPrefix($0.target + "/") }
            // The innermost mount hides the others.
            .max { $0.target.count < $1.target.count }
        return mount.map { $0.source + path.dropFirst($0.target.count) }
    }

    /// The container's id among the lines of `/proc/PID/cgroup` (cgroup v2): `0::/k8s.io/ID`.
    public static func container(ofControlGroups text: String) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix("0::/k8s.io/") {
            let name = line.dropFirst("0::/k8s.io/".count).prefix { $0 != "/" }
            guard !name.isEmpty, name.utf8.count <= 64, name.utf8.allSatisfy({ 48...57 ~= $0 || 97...122 ~= $0 })
            else { return nil }
            return String(name)
        }
        return nil
    }
}
