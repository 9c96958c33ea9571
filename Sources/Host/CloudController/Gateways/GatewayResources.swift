public import KubeClient

extension KubeResource {
    public static let gatewayClasses = gateway("gatewayclasses", isNamespaced: false)
    public static let gateways = gateway("gateways")
    public static let httpRoutes = gateway("httproutes")
    public static let referenceGrants = gateway("referencegrants", version: "v1beta1")

    private static func gateway(_ plural: String, version: String = "v1", isNamespaced: Bool = true) -> KubeResource {
        KubeResource(
            group: GatewayNames.group, version: version, plural: plural, isNamespaced: isNamespaced)
    }
}

/// Names of Gateway API, and those by which Cilium's controller is known.
enum GatewayNames {
    static let group = "gateway.networking.k8s.io"
    static let controller = "io.cilium/gateway-controller"
    /// The label by which a gateway's Service is known.
    static let owner = "io.cilium.gateway/owning-gateway"
    static let usualClass = "cilium"

    /// The name of a gateway's Service, which is a DNS label.
    static func service(of gateway: String) -> String { String("cilium-gateway-\(gateway)".prefix(63)) }
}
