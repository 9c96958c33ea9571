import CNI

extension CNIResult {
    /// Returns the result of connecting an endpoint, added to that of plugins earlier in the chain.
    static func connecting(_ endpoint: EndpointRecord, router: String, configuration: CNIConfiguration) -> CNIResult {
        let previous = configuration.previousResult
        let known = previous?.interfaces ?? []
        let version = configuration.version == .v0_4_0 ? "4" : nil
        let address = Address(
            version: version, address: endpoint.address + "/32", gateway: router, interface: known.count + 1)
        return CNIResult(
            cniVersion: configuration.version.rawValue,
            interfaces: known + [
                Interface(name: endpoint.hostInterface, mac: endpoint.hostMAC),
                Interface(name: endpoint.interface, mac: endpoint.mac, sandbox: endpoint.netns),
            ],
            ips: (previous?.ips ?? []) + [address],
            routes: (previous?.routes ?? []) + [Route(dst: router + "/32"), Route(dst: "0.0.0.0/0", gw: router)],
            dns: previous?.dns ?? DNS())
    }
}
