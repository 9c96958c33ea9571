import Testing

@testable import Kubelet

@Suite struct ResolverTests {
    static let cluster =
        "search shop.svc.cluster.local svc.cluster.local cluster.local eu.internal\n"
        + "nameserver 172.20.0.10\noptions ndots:5\n"
    static let node = "search eu.internal\nnameserver 10.0.0.2\n"

    @Test(arguments: [
        ("", cluster), (#""dnsPolicy": "ClusterFirst","#, cluster), (#""dnsPolicy": "Default","#, node),
        (#""hostNetwork": true,"#, node), (#""hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet","#, cluster),
        (#""dnsPolicy": "None","#, ""),
        (
            #""dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["a"], "options": [{"name": "x"}]},"#,
            "search a\nnameserver 1.1.1.1\noptions x\n"
        ),
        (
            #""dnsConfig": {"nameservers": ["172.20.0.10", "9.9.9.9"], "options": [{"name": "ndots", "value": "2"}]},"#,
            "search shop.svc.cluster.local svc.cluster.local cluster.local eu.internal\n"
                + "nameserver 172.20.0.10\nnameserver 9.9.9.9\noptions ndots:2\n"
        ),
    ])
    func policies(fields: String, content: String) throws {
        let pod = try pod(#"{\#(fields) "containers": [{"name": "a", "image": "x"}]}"#)
        #expect(Resolver.make(pod, settings()) == Resolver.Made(content: content, warnings: []))
    }

    @Test func limitsAreTold() throws {
        let pod = try pod(
            #"""
            {"dnsConfig": {"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3"], "searches": ["a", "b", "c"]},
             "containers": [{"name": "a", "image": "x"}]}
            """#)
        let made = Resolver.make(pod, settings())
        #expect(made.content.contains("nameserver 2.2.2.2\n") && !made.content.contains("3.3.3.3"))
        #expect(
            made.warnings.map(\.message) == [
                "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
                    + "172.20.0.10 1.1.1.1 2.2.2.2",
                "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
                    + "shop.svc.cluster.local svc.cluster.local cluster.local eu.internal a b",
            ])
        let long = settings {
            $0.hostResolver = "search \(String(repeating: "x", count: 150)) \(String(repeating: "y", count: 60)) z\n"
        }
        let cut = Resolver.make(try plainPod(), long)
        #expect(cut.content.hasPrefix("search shop.svc.cluster.local svc.cluster.local cluster.local x"))
        #expect(!cut.content.contains("y") && cut.warnings.count == 1)
    }

    func plainPod() throws -> KubePod { try pod(#"{"containers": [{"name": "a", "image": "x"}]}"#) }

    @Test func aClusterWithoutDNSSaysSo() throws {
        let made = Resolver.make(try plainPod(), settings { $0.clusterDNS = [] })
        #expect(made.content == Self.node)
        #expect(
            made.warnings == [
                .init(
                    reason: "MissingClusterDNS",
                    message:
                        "pod: \"web_shop(uid-web)\". kubelet does not have ClusterDNS IP configured and cannot create "
                        + "Pod using \"ClusterFirst\" policy. Falling back to \"Default\" policy.")
            ])
    }

    @Test func resolvConfIsRead() {
        let (servers, searches, options) = Resolver.parse(
            "# c\nnameserver 1.1.1.1\n nameserver\t2.2.2.2 \nsearch a b.\nsearch c. .\noptions x y:1\nnameserver\ndomain d"
        )
        #expect(servers == ["1.1.1.1", "2.2.2.2"] && searches == ["c", "."] && options == ["x", "y:1"])
    }

    @Test func namesOfPods() throws {
        let plain = try plainPod()
        #expect(Resolver.visibleHostname(plain, settings()) == "web")
        #expect(Resolver.hostsFile(plain, addresses: ["10.1.0.5"], settings()).hasSuffix("10.1.0.5\tweb\n"))
        let named = try pod(
            #"""
            {"hostname": "db-0", "subdomain": "db", "setHostnameAsFQDN": true,
             "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}], "containers": [{"name": "a", "image": "x"}]}
            """#)
        #expect(Resolver.visibleHostname(named, settings()) == "db-0.db.shop.svc.cluster.local")
        #expect(
            Resolver.hostsFile(named, addresses: ["10.1.0.5"], settings()).hasSuffix(
                "10.1.0.5\tdb-0.db.shop.svc.cluster.local\tdb-0\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"))
        let long = try pod(
            #"{"containers": [{"name": "a", "image": "x"}]}"#, name: String(repeating: "a", count: 62) + "-b")
        #expect(Resolver.visibleHostname(long, settings()) == String(repeating: "a", count: 62))
        let host = try pod(#"{"hostNetwork": true, "containers": [{"name": "a", "image": "x"}]}"#)
        #expect(Resolver.visibleHostname(host, settings()) == "node-1")
        #expect(
            Resolver.hostsFile(host, addresses: [], settings { $0.hostsFile = "127.0.0.1 localhost\n" })
                == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n")
    }
}
