import KubeObjects
import Testing

@testable import Lab

@Suite struct ClusterDNSTests {
    private func objects() -> ClusterObjects {
        var all = ClusterObjects()
        let api = Service(
            metadata: ObjectMeta(name: "kubernetes", namespace: "default"), spec: .init(clusterIP: "10.100.0.1"))
        let dns = Service(
            metadata: ObjectMeta(name: "kube-dns", namespace: "kube-system"), spec: .init(clusterIP: "10.100.0.10"))
        let headless = Service(metadata: ObjectMeta(name: "db", namespace: "default"), spec: .init(clusterIP: "None"))
        let alias = Service(
            metadata: ObjectMeta(name: "alias", namespace: "default"), spec: .init(type: .externalName))
        for service in [api, dns, headless, alias] { all.services[service.key] = service }
        let slice = EndpointSlice(
            metadata: ObjectMeta(
                name: "db-1", namespace: "default", labels: [EndpointSlice.serviceNameLabel: "db"]),
            endpoints: [
                .init(addresses: ["192.168.1.5"], hostname: "db-0"),
                .init(addresses: ["192.168.1.6"], conditions: .init(ready: false)),
            ])
        all.endpointSlices[slice.key] = slice
        return all
    }

    @Test func servicesAndReadyEndpointsHaveNames() {
        #expect(
            ClusterDNS(objects: objects(), upstream: "10.0.0.2").hosts == """
                10.100.0.1 kubernetes.default.svc.cluster.local
                10.100.0.10 kube-dns.kube-system.svc.cluster.local
                192.168.1.5 db-0.db.default.svc.cluster.local
                192.168.1.5 db.default.svc.cluster.local

                """)
    }

    @Test func podsAskTheClustersServerAndItAsksTheVPCs() {
        let dns = ClusterDNS(objects: objects(), upstream: "10.0.0.2")
        #expect(
            dns.resolver(namespace: "prod") == """
                search prod.svc.cluster.local svc.cluster.local cluster.local
                nameserver 10.100.0.10
                options ndots:5

                """)
        #expect(
            ClusterDNS(objects: ClusterObjects(), upstream: "10.0.0.2").resolver(namespace: "a").contains("10.0.0.2"))
        #expect(dns.configuration.contains("server=10.0.0.2\n"))
        #expect(dns.configuration.contains("local=/cluster.local/\n"))
        #expect(dns.files.keys.sorted() == ["/etc/coredns/dnsmasq.conf", "/etc/coredns/hosts"])
    }
}
