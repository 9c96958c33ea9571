import KubeObjects
import Testing

@testable import KubeProxy

/// Objects and names of kube-proxy's own tests (`pkg/proxy/iptables/proxier_test.go`), so that hashes can be compared
/// with those of a real kube-proxy.
@Suite struct KubeProxyRulesTests {
    private func service(
        _ name: String, _ address: String, node: UInt16? = nil, type: Service.ServiceType = .clusterIP,
        affinity: Service.SessionAffinity = .none, external: [String] = [], policy: Service.TrafficPolicy = .cluster
    ) -> Service {
        Service(
            metadata: ObjectMeta(name: "svc" + name, namespace: "ns" + name),
            spec: .init(
                type: type, clusterIP: address, ports: [.init(name: "p80", port: 80, nodePort: node)],
                externalIPs: external, sessionAffinity: affinity, externalTrafficPolicy: policy))
    }

    private func slice(_ name: String, _ addresses: [(String, String)], port: UInt16? = 80) -> EndpointSlice {
        EndpointSlice(
            metadata: ObjectMeta(
                name: "svc\(name)-1", namespace: "ns" + name, labels: [EndpointSlice.serviceNameLabel: "svc" + name]),
            endpoints: addresses.map {
                .init(addresses: [$0.0], conditions: .init(ready: true), nodeName: $0.1)
            }, ports: [.init(name: "p80", port: port)])
    }

    private func lines(
        _ services: [Service], _ slices: [EndpointSlice], removing: KubeProxyRules? = nil
    ) -> [String] {
        KubeProxyRules(services: services, slices: slices, nodeName: "node1", clusterCIDR: "10.0.0.0/8")
            .text(removing: removing).split(separator: "\n").map(String.init)
    }

    @Test(arguments: [
        ("ns1/svc1:p80", "XPGD46QRK7WJZT7O", "10.180.0.1:80", "SXIVWICOYRO3J4NJ"),
        ("ns2/svc2:p80", "GNZBNJ2PO5MGZ6GT", "10.180.0.2:80", "RS4RBKLTHTF2IUXJ"),
        ("ns3/svc3:p80", "X27LE4BHSL4DOUIK", "10.180.0.3:80", "OYPFS5VJICHGATKP"),
        ("ns4/svc4:p80", "4SW47YFZTEDKD3PK", "10.180.0.4:80", "UKSFD7AGPMPPLUHC"),
        ("ns4/svc4:p80", "4SW47YFZTEDKD3PK", "10.180.0.5:80", "C6EBXVWJJZMIWKLZ"),
    ])
    func chainsAreNamedAsKubeProxyNamesThem(_ port: String, _ service: String, _ endpoint: String, _ sep: String) {
        let chains = ServiceChains(portName: port, protocol: "tcp")
        #expect(chains.cluster == "KUBE-SVC-" + service)
        #expect(chains.external == "KUBE-EXT-" + service)
        #expect(chains.local == "KUBE-SVL-" + service)
        #expect(ServiceChains.endpoint(port, "tcp", endpoint) == "KUBE-SEP-" + sep)
    }

    @Test func aClusterServiceWithOneEndpoint() {
        let text = lines([service("1", "172.30.0.41")], [slice("1", [("10.180.0.1", "node1")])])
        #expect(
            text
                == """
                *filter
                :KUBE-NODEPORTS - [0:0]
                :KUBE-SERVICES - [0:0]
                :KUBE-EXTERNAL-SERVICES - [0:0]
                :KUBE-FIREWALL - [0:0]
                :KUBE-FORWARD - [0:0]
                :KUBE-PROXY-FIREWALL - [0:0]
                -A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s \
                127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
                -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
                -A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j \
                ACCEPT
                -A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate \
                RELATED,ESTABLISHED -j ACCEPT
                COMMIT
                *nat
                :KUBE-NODEPORTS - [0:0]
                :KUBE-SERVICES - [0:0]
                :KUBE-MARK-MASQ - [0:0]
                :KUBE-POSTROUTING - [0:0]
                :KUBE-SVC-XPGD46QRK7WJZT7O - [0:0]
                :KUBE-SEP-SXIVWICOYRO3J4NJ - [0:0]
                -A KUBE-SERVICES -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 172.30.0.41 --dport \
                80 -j KUBE-SVC-XPGD46QRK7WJZT7O
                -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last \
                rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
                -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
                -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
                -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
                -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE \
                --random-fully
                -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d \
                172.30.0.41 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ
                -A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -j \
                KUBE-SEP-SXIVWICOYRO3J4NJ
                -A KUBE-SEP-SXIVWICOYRO3J4NJ -m comment --comment ns1/svc1:p80 -s 10.180.0.1 -j KUBE-MARK-MASQ
                -A KUBE-SEP-SXIVWICOYRO3J4NJ -m comment --comment ns1/svc1:p80 -m tcp -p tcp -j DNAT \
                --to-destination 10.180.0.1:80
                COMMIT
                """.split(separator: "\n").map(String.init))
    }

    @Test func withoutEndpointsAServiceRefuses() {
        let text = lines([service("1", "172.30.0.41", node: 3001, type: .nodePort)], [])
        #expect(
            text.contains(
                "-A KUBE-SERVICES -m comment --comment \"ns1/svc1:p80 has no endpoints\" -m tcp -p tcp -d "
                    + "172.30.0.41 --dport 80 -j REJECT"
            ))
        #expect(
            text.contains(
                "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"ns1/svc1:p80 has no endpoints\" -m addrtype "
                    + "--dst-type LOCAL -m tcp -p tcp --dport 3001 -j REJECT"
            ))
        #expect(!text.contains { $0.contains("KUBE-SVC-") || $0.contains("KUBE-EXT-") })
    }

    @Test func backendsAreEquallyLikely() {
        let text = lines(
            [service("4", "172.30.0.44")],
            [slice("4", [("10.180.0.5", "node2"), ("10.180.0.4", "node1"), ("10.180.0.6", "node1")])])
        let choice = text.filter { $0.hasPrefix("-A KUBE-SVC-4SW47YFZTEDKD3PK") }.dropFirst()
        #expect(choice.first?.contains("--probability 0.3333333333 -j KUBE-SEP-UKSFD7AGPMPPLUHC") == true)
        #expect(choice.dropFirst().first?.contains("--probability 0.5000000000 -j KUBE-SEP-C6EBXVWJJZMIWKLZ") == true)
        #expect(choice.last?.contains("statistic") == false)
        #expect(
            [1, 2, 3, 4, 7, 3000].map(KubeProxyRules.probability)
                == ["1.0000000000", "0.5000000000", "0.3333333333", "0.2500000000", "0.1428571429", "0.0003333333"])
    }

    @Test func affinityAsksAndSetsTheRecentList() {
        let text = lines([service("1", "172.30.0.41", affinity: .clientIP)], [slice("1", [("10.180.0.1", "node1")])])
        #expect(
            text.contains(
                "-A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment \"ns1/svc1:p80 -> 10.180.0.1:80\" -m recent "
                    + "--name KUBE-SEP-SXIVWICOYRO3J4NJ --rcheck --seconds 10800 --reap -j KUBE-SEP-SXIVWICOYRO3J4NJ"
            ))
        #expect(
            text.contains(
                "-A KUBE-SEP-SXIVWICOYRO3J4NJ -m comment --comment ns1/svc1:p80 -m recent --name "
                    + "KUBE-SEP-SXIVWICOYRO3J4NJ --set -m tcp -p tcp -j DNAT --to-destination 10.180.0.1:80"
            ))
    }

    @Test func aNodePortMasqueradesUnlessItKeepsTheSource() {
        let spread = lines(
            [service("3", "172.30.0.43", node: 3003, type: .nodePort)], [slice("3", [("10.180.0.3", "node2")])])
        #expect(
            spread.contains(
                "-A KUBE-NODEPORTS -m comment --comment ns3/svc3:p80 -m tcp -p tcp --dport 3003 -j "
                    + "KUBE-EXT-X27LE4BHSL4DOUIK"
            ))
        #expect(
            spread.contains(
                "-A KUBE-EXT-X27LE4BHSL4DOUIK -m comment --comment \"masquerade traffic for ns3/svc3:p80 "
                    + "external destinations\" -j KUBE-MARK-MASQ"
            ))
        #expect(spread.contains("-A KUBE-EXT-X27LE4BHSL4DOUIK -j KUBE-SVC-X27LE4BHSL4DOUIK"))

        let kept = lines(
            [service("3", "172.30.0.43", node: 3003, type: .nodePort, policy: .local)],
            [slice("3", [("10.180.0.3", "node1"), ("10.180.0.7", "node2")])])
        #expect(kept.contains("-A KUBE-EXT-X27LE4BHSL4DOUIK -j KUBE-SVL-X27LE4BHSL4DOUIK"))
        #expect(kept.filter { $0.hasPrefix("-A KUBE-SVL-") }.count == 1)
        #expect(kept.contains { $0.hasPrefix("-A KUBE-SVL-") && $0.contains("10.180.0.3:80") })

        let elsewhere = lines(
            [service("3", "172.30.0.43", node: 3003, type: .nodePort, policy: .local)],
            [slice("3", [("10.180.0.7", "node2")])])
        #expect(
            elsewhere.contains(
                "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"ns3/svc3:p80 has no local endpoints\" -m "
                    + "addrtype --dst-type LOCAL -m tcp -p tcp --dport 3003 -j DROP"
            ))
    }

    @Test func onlyReadyEndpointsAreUsed() {
        var ending = slice("1", [("10.180.0.1", "node1"), ("10.180.0.2", "node1")])
        ending.endpoints[0].conditions = .init(ready: false, serving: true, terminating: true)
        #expect(!lines([service("1", "172.30.0.41")], [ending]).contains { $0.contains("10.180.0.1:80") })
        ending.endpoints[1].conditions = .init(ready: false)
        // None is ready, so those that still serve while they terminate are taken.
        let text = lines([service("1", "172.30.0.41")], [ending])
        #expect(text.contains { $0.contains("--to-destination 10.180.0.1:80") })
        #expect(!text.contains { $0.contains("10.180.0.2:80") })
    }

    @Test func jumpsAreInsertedOnce() {
        let rules = KubeProxyRules(services: [], slices: [], nodeName: "node1", clusterCIDR: nil)
        #expect(!rules.text().contains("-I "))
        let lines = rules.text(insertingJumps: true).split(separator: "\n").map(String.init)
        #expect(lines.filter { $0.hasPrefix("-I ") }.count == KubeProxyRules.jumps.count)
        #expect(
            lines.contains(
                "-I PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"))
        #expect(
            lines.contains(
                "-I FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j "
                    + "KUBE-SERVICES"
            ))
    }

    @Test func headlessAndNamedServicesHaveNoRules() {
        var headless = service("1", "None")
        headless.spec.clusterIP = "None"
        #expect(!lines([headless], [slice("1", [("10.180.0.1", "node1")])]).contains { $0.contains("svc1") })
    }

    @Test func whatIsGoneIsDeleted() {
        let before = KubeProxyRules(
            services: [service("1", "172.30.0.41")], slices: [slice("1", [("10.180.0.1", "node1")])], nodeName: "node1",
            clusterCIDR: nil)
        let text = lines([], [], removing: before)
        for chain in ["KUBE-SVC-XPGD46QRK7WJZT7O", "KUBE-SEP-SXIVWICOYRO3J4NJ"] {
            #expect(text.contains(":\(chain) - [0:0]"))
            #expect(text.contains("-X \(chain)"))
        }
    }

    /// After `iptables-restore`, a node saves the chains that the text made and did not delete.
    @Test func chainsAreThoseThatTheTextLeaves() {
        let before = KubeProxyRules(
            services: [service("1", "172.30.0.41")], slices: [slice("1", [("10.180.0.1", "node1")])], nodeName: "node1",
            clusterCIDR: nil)
        let after = KubeProxyRules(
            services: [service("3", "172.30.0.43", node: 3003, type: .nodePort)],
            slices: [slice("3", [("10.180.0.3", "node2")])], nodeName: "node1", clusterCIDR: nil)
        let text = after.text(removing: before)
        let deleted = Set(text.split(separator: "\n").filter { $0.hasPrefix("-X ") }.map { "nat \($0.dropFirst(3))" })
        #expect(deleted.count == 2)
        #expect(SavedRules(text).kubeProxyChains == after.chains.union(deleted))
        #expect(after.chains.isDisjoint(with: deleted))
        #expect(after.chains != before.chains)
    }
}
