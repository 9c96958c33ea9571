import KubeObjects

/// The port at which a pod answers the prober, in a lab with a control plane.
public struct EchoPort: Sendable {
    /// The workloads of nodes that answer the prober's packets.
    private static let echoing: Set<String> = ["echo", "http", "json-mock"]
    /// Where they answer if their container names no port.
    private static let usual: UInt16 = 8080

    private let workloads: [String: LabImages.Workload]

    /// - Parameter images: What images stand for in the lab; nil for the lab's own catalogue.
    public init(_ images: UserImages?) {
        workloads = images?.workloads ?? LabImages.workloads
    }

    /// Returns the first port of the first container that answers, by what its image stands for on a node. Programs
    /// answer nothing, and neither does a container that serves TLS. The result is 8080 if there is none.
    public func port(of containers: [Pod.Container]) -> UInt16 {
        for container in containers where answers(container) {
            return container.ports.first?.containerPort ?? Self.variable("PORT", container).flatMap { UInt16($0) }
                ?? Self.usual
        }
        return Self.usual
    }

    private func answers(_ container: Pod.Container) -> Bool {
        guard container.command.isEmpty, let image = container.image,
            case .builtIn(let name)? = LabImages.workload(of: image, among: workloads)
        else { return false }
        let isTLS = ["TLS_CERT_FILE", "TLS_KEY_FILE"].contains { Self.variable($0, container) != nil }
        return Self.echoing.contains(name) && !isTLS
    }

    private static func variable(_ name: String, _ container: Pod.Container) -> String? {
        container.env.first { $0.name == name }?.value
    }
}
