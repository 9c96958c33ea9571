/// The program that a container of a manifest runs.
public struct ContainerProgram: Codable, Sendable, Hashable {
    /// The container's name.
    public var name: String
    /// The program and its arguments.
    public var command: [String]
    /// The environment, each entry as `NAME=value`.
    public var environment: [String]
    public init(name: String, command: [String], environment: [String] = []) {
        self.name = name
        self.command = command
        self.environment = environment
    }
}

/// The images whose programs the userland disk has, with what they run without a command, and whether they get `args`.
///
/// Any other image is only a name: its container runs its `command`, or runs nothing and answers probes.
public enum ContainerImages {
    public struct Image: Sendable {
        /// The last path component of the image without its tag: `docker.io/library/busybox:1.35` is `busybox`.
        public let name: String
        /// The program that gets `args`. It is empty if the image runs nothing without a `command`.
        public let entrypoint: [String]
        /// The arguments if the manifest has none.
        public let arguments: [String]
        /// What the image is in the node, in one line.
        public let help: String
    }

    /// The file in which the cluster's DNS server finds the lab's names.
    public static let dnsConfiguration = "/etc/coredns/dnsmasq.conf"
    public static let dnsCommand = ["dnsmasq", "--keep-in-foreground", "--conf-file=" + dnsConfiguration]

    public static let table: [Image] = [
        Image(
            name: "coredns", entrypoint: dnsCommand, arguments: [],
            help: "dnsmasq with the cluster's names, the VPC's DNS for all others"),
        Image(name: "busybox", entrypoint: [], arguments: [], help: "busybox's applets"),
        Image(name: "curl", entrypoint: ["curl"], arguments: [], help: "curl"),
        Image(name: "dnsutils", entrypoint: [], arguments: [], help: "dig, host, nslookup"),
        Image(
            name: "dnsmasq", entrypoint: ["dnsmasq", "--keep-in-foreground", "--log-facility=-"], arguments: [],
            help: "dnsmasq"),
        Image(name: "iperf3", entrypoint: ["iperf3"], arguments: ["--server"], help: "iperf3, a server without args"),
        Image(
            name: "netshoot", entrypoint: [], arguments: [], help: "ip, ss, iptables, nft, tcpdump, dig, curl, iperf3"),
        Image(
            name: "httpd", entrypoint: ["httpd", "-f", "-vv"], arguments: ["-p", "80", "-h", "/usr/share"],
            help: "busybox httpd"),
    ]

    /// Returns the name of an image: `registry.k8s.io/coredns/coredns:v1.11.1` → `coredns`.
    public static func name(of image: String) -> String {
        let path = image.split(separator: "@", maxSplits: 1).first.map(String.init) ?? image
        let last = path.split(separator: "/").last.map(String.init) ?? path
        return last.split(separator: ":", maxSplits: 1).first.map(String.init) ?? last
    }

    /// Returns what a container runs. As in Kubernetes, `command` replaces the image's entry point, and `args` replaces
    /// its arguments. The result is nil if the container only answers probes.
    public static func command(image: String?, command: [String], arguments: [String]) -> [String]? {
        if !command.isEmpty { return command + arguments }
        guard let image, let known = table.first(where: { $0.name == name(of: image) }) else { return nil }
        let given = arguments.isEmpty ? known.arguments : arguments
        if known.entrypoint.isEmpty { return given.isEmpty ? nil : given }
        // A tool without anything to do would end at once, again and again.
        return given.isEmpty && known.name == "curl" ? nil : known.entrypoint + given
    }
}
