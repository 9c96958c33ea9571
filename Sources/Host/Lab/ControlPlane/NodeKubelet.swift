import CloudController
import ControlPlane
import KubeClient
import NetAddress
import NodeProtocol
import Scenario

extension LabControlPlane {
    /// What virtual nodes say they have, so that the requests of usual manifests find room: the machines are small, and
    /// their programs, too.
    private static let capacity = ["cpu": "4", "memory": "8Gi", "ephemeral-storage": "20Gi"]

    /// What makes a machine of the lab a node of the cluster.
    ///
    /// - Parameter traits: The labels and taints that it registers with.
    func kubelet(
        of name: String, address: String, podCIDR: String, plan: LabPlan, traits: NodeTraits
    ) async throws -> KubeletConfiguration {
        let credentials = try await plane.nodeCredentials(name, address: address)
        guard case .certificate(let chain, let key) = credentials.server.credential else {
            throw LabError(.plan, "node \(name) has no client certificate for the API server")
        }
        var taints = traits.taints.map { KubeletConfiguration.Taint(key: $0.key, value: $0.value, effect: $0.effect) }
        if plan.profile.controlPlane.cloudController {
            // The cloud controller takes it off a node that it has completed.
            let taint = CloudController.Taint.uninitialized
            taints.append(.init(key: taint.key, value: taint.value, effect: taint.effect))
        }
        var configuration = KubeletConfiguration(
            nodeName: name, address: address, podCIDR: podCIDR.isEmpty ? nil : podCIDR,
            labels: traits.labels,
            taints: taints,
            server: KubeletConfiguration.Server(
                host: credentials.server.host, port: credentials.server.port,
                authorityPEM: credentials.server.authorityPEM, certificatePEM: chain, keyPEM: key),
            serving: KubeletConfiguration.Serving(
                certificatePEM: credentials.servingCertificatePEM, keyPEM: credentials.servingKeyPEM,
                clientAuthorityPEM: credentials.clientAuthorityPEM),
            clusterDNS: Self.clusterDNS(plan.profile.serviceCIDR), clusterDomain: ClusterDNS.domain,
            nameServers: [plan.dnsAddress], capacity: Self.capacity,
            images: plan.profile.images?.catalogue ?? LabImages.catalogue,
            evictionHard: plan.profile.evictionMemory.map { ["memory.available": $0] } ?? [:])
        configuration.implementation = plan.profile.kubelet == .real ? .real : .light
        return configuration
    }

    /// The address that the cluster's DNS service has by custom, the tenth of the services' range.
    static func clusterDNS(_ range: String) -> [String] {
        guard let network = IPv4CIDR(range)?.network, network.prefixLength <= 28 else { return [] }
        return [IPv4Address(rawValue: network.address.rawValue + 10).description]
    }
}
