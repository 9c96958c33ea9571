import Matrix
import Testing

@Suite struct DatapathConfigurationTests {
    private typealias Expectation = TrafficExpectation

    private func config(_ name: String) throws -> DatapathConfiguration {
        try #require(DatapathConfiguration.all.first { $0.description == name })
    }

    @Test func allCombinationsAreThere() {
        #expect(DatapathConfiguration.all.count == 4 * 3 * 3 * 2)
        #expect(Set(DatapathConfiguration.all.map(\.description)).count == 72)
        #expect(Set(TrafficClass.all).count == TrafficClass.all.count)
        #expect(Set(TrafficClass.all.map(\.description)).count == TrafficClass.all.count)
    }

    /// {routing} × {bpf, iptables} × {replacement on, off} × {none, default deny}, each once.
    @Test(arguments: [DatapathConfiguration.Services.nobody, .kubeProxy])
    func rowsOfTheClusterLevelTest(_ without: DatapathConfiguration.Services) {
        let rows = DatapathConfiguration.Routing.allCases.flatMap {
            DatapathConfiguration.rows($0, withoutReplacement: without)
        }
        #expect(rows.count == 32)
        #expect(
            Set(rows)
                == Set(
                    DatapathConfiguration.all.filter {
                        $0.masquerade != .off && [.datapath, without].contains($0.services)
                    }))
        // From one row to the next at most one of masquerade and services changes, so that few values do.
        for routing in DatapathConfiguration.Routing.allCases {
            let rows = DatapathConfiguration.rows(routing, withoutReplacement: without)
            for (row, next) in zip(rows, rows.dropFirst()) {
                #expect(row.masquerade == next.masquerade || row.services == next.services)
            }
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let config: String
        let traffic: TrafficClass
        let result: TrafficExpectation.Result
        let source: TrafficExpectation.Source?
        var testDescription: String { "\(config): \(traffic)" }
        init(
            _ config: String, _ from: TrafficClass.Sender, _ to: TrafficClass.Receiver,
            _ result: TrafficExpectation.Result, _ source: TrafficExpectation.Source? = nil
        ) {
            self.config = config
            traffic = TrafficClass(from, to)
            self.result = result
            self.source = source
        }
    }

    /// The field reports' truth table, and what the modes differ in.
    @Test(arguments: [
        // Without masquerade the VPC's DNS does not answer pods of an overlay (000, section 3).
        Row("vxlan-off-datapath-none", .pod, .vpcDNS, .lost), Row("vxlan-off-datapath-none", .pod, .internet, .lost),
        Row("vxlan-off-datapath-none", .pod, .pod(.otherNode), .open, .pod),
        Row("vxlan-off-datapath-none", .pod, .node(.otherNode), .lost),
        Row("vxlan-off-datapath-none", .pod, .node(.sameNode), .open, .pod),
        Row("vxlan-off-kube-proxy-none", .pod, .service(.nodePort(.otherNode), .pod(.otherNode)), .lost),
        Row("vxlan-off-nobody-none", .pod, .service(.nodePort(.otherNode), .pod(.otherNode)), .lost),
        Row("vxlan-off-nobody-none", .pod, .service(.nodePort(.sameNode), .pod(.otherNode)), .refused),
        Row("vxlan-off-datapath-none", .pod, .service(.nodePort(.otherNode), .pod(.otherNode)), .open, .pod),
        Row("vxlan-bpf-datapath-none", .pod, .vpcDNS, .open, .node),
        Row("vxlan-bpf-datapath-none", .pod, .internet, .open, .node),
        Row("vxlan-bpf-datapath-none", .pod, .pod(.otherNode), .open, .pod),
        Row("vxlan-bpf-datapath-none", .pod, .pod(.sameNode), .open, .pod),
        Row("vxlan-bpf-datapath-none", .pod, .node(.otherNode), .open, .node),
        Row("vxlan-bpf-datapath-none", .pod, .service(.clusterIP, .pod(.otherNode)), .open, .pod),
        Row("vxlan-bpf-datapath-none", .node, .pod(.sameNode), .open, .router),
        Row("vxlan-bpf-datapath-none", .node, .service(.clusterIP, .pod(.otherNode)), .open, .router),
        Row("native-bpf-datapath-none", .node, .service(.clusterIP, .pod(.otherNode)), .open, .node),
        Row("vxlan-bpf-nobody-none", .pod, .service(.clusterIP, .pod(.sameNode)), .lost),
        Row("vxlan-bpf-nobody-none", .pod, .service(.clusterIP, .itself), .lost),
        Row("vxlan-bpf-nobody-none", .node, .service(.nodePort(.otherNode), .pod(.sameNode)), .refused),
        Row("geneve-iptables-kube-proxy-none", .pod, .vpcHost, .open, .node),
        Row("geneve-iptables-kube-proxy-none", .pod, .node(.sameNode), .open, .pod),
        Row("geneve-iptables-kube-proxy-none", .pod, .service(.clusterIP, .pod(.otherNode)), .open, .pod),
        Row("native-off-datapath-none", .pod, .vpcHost, .open, .pod),
        Row("native-off-datapath-none", .pod, .internet, .lost),
        Row("native-bpf-datapath-none", .pod, .vpcHost, .open, .node),
        Row("native-bpf-datapath-none", .pod, .node(.otherNode), .open, .pod),
        Row("eni-bpf-datapath-none", .pod, .vpcDNS, .open, .pod),
        Row("eni-bpf-datapath-none", .pod, .internet, .open, .node),
        Row("eni-off-datapath-none", .pod, .internet, .lost),
        Row("eni-off-datapath-none", .node, .internet, .open, .node),
        Row("vxlan-bpf-datapath-default-deny", .pod, .pod(.sameNode), .denied(.egress)),
        Row("vxlan-bpf-datapath-default-deny", .pod, .vpcDNS, .denied(.egress)),
        Row("vxlan-off-datapath-default-deny", .pod, .vpcDNS, .denied(.egress)),
        Row("vxlan-bpf-datapath-default-deny", .pod, .service(.clusterIP, .itself), .open, .pod),
        Row("vxlan-bpf-nobody-default-deny", .pod, .service(.clusterIP, .itself), .denied(.egress)),
        Row("vxlan-bpf-kube-proxy-default-deny", .pod, .service(.clusterIP, .itself), .denied(.egress)),
        Row("vxlan-bpf-kube-proxy-default-deny", .node, .service(.clusterIP, .pod(.otherNode)), .denied(.ingress)),
        Row("vxlan-bpf-kube-proxy-default-deny", .node, .service(.nodePort(.otherNode), .pod(.otherNode)), .open),
        Row(
            "vxlan-bpf-kube-proxy-default-deny", .node, .service(.nodePort(.otherNode), .pod(.sameNode)),
            .denied(.ingress)),
        Row("eni-bpf-datapath-none", .node, .pod(.sameNode), .open, .node),
        Row("vxlan-bpf-datapath-default-deny", .node, .pod(.sameNode), .open, .router),
        Row("vxlan-bpf-datapath-default-deny", .node, .pod(.otherNode), .denied(.ingress)),
        Row(
            "vxlan-bpf-datapath-default-deny", .node, .service(.nodePort(.sameNode), .pod(.otherNode)),
            .denied(.ingress)),
        Row("vxlan-bpf-nobody-default-deny", .node, .service(.nodePort(.sameNode), .pod(.otherNode)), .refused),
        Row("vxlan-bpf-datapath-default-deny", .node, .node(.otherNode), .open, .node),
    ])
    func expectations(_ row: Row) throws {
        let expectation = try config(row.config).expectation(of: row.traffic)
        #expect(expectation.result == row.result)
        #expect(expectation.source == row.source)
        #expect(!expectation.reason.isEmpty)
    }

    // MARK: Properties

    /// A policy only denies traffic and never opens a way: the traffic that it allows has the same result as without
    /// the policy.
    @Test(arguments: DatapathConfiguration.all.filter { $0.policy == .defaultDeny })
    func aPolicyOnlyShrinksReachability(_ config: DatapathConfiguration) {
        var without = config
        without.policy = .none
        var denied = 0
        for traffic in TrafficClass.all {
            switch config.expectation(of: traffic).result {
            case .denied: denied += 1
            default: #expect(config.expectation(of: traffic) == without.expectation(of: traffic), "\(traffic)")
            }
            if case .denied = without.expectation(of: traffic).result {
                Issue.record("denied without a policy: \(traffic)")
            }
        }
        #expect(denied > 0)
    }

    /// Nothing comes from a pod under default deny, except back to itself.
    @Test(arguments: DatapathConfiguration.all.filter { $0.policy == .defaultDeny })
    func defaultDenyIsolates(_ config: DatapathConfiguration) {
        for traffic in TrafficClass.all where traffic.from == .pod {
            if case .service(_, .itself) = traffic.to { continue }
            #expect(config.expectation(of: traffic).result == .denied(.egress), "\(traffic)")
        }
    }

    /// The two tunnels carry the same; both ways to masquerade show the same source, as far as the datapath has the
    /// services.
    @Test(arguments: DatapathConfiguration.all)
    func whatDoesNotDiffer(_ config: DatapathConfiguration) {
        for traffic in TrafficClass.all {
            let expectation = config.expectation(of: traffic)
            if config.routing == .vxlan {
                var geneve = config
                geneve.routing = .geneve
                #expect(geneve.expectation(of: traffic) == expectation)
            }
            if config.masquerade == .bpf {
                var iptables = config
                iptables.masquerade = .iptables
                #expect(iptables.expectation(of: traffic) == expectation)
            }
        }
    }

    /// Options reach no further than their own traffic.
    @Test(arguments: DatapathConfiguration.all)
    func optionsStayWithTheirOwn(_ config: DatapathConfiguration) {
        for traffic in TrafficClass.all {
            let expectation = config.expectation(of: traffic)
            var other = config
            // Who has the services changes nothing but services.
            if case .service = traffic.to {
                // A service that the datapath has is as good as its backend.
                if case .service(_, .pod(let place)) = traffic.to, config.services == .datapath {
                    let direct = config.expectation(of: TrafficClass(traffic.from, .pod(place)))
                    #expect(direct.result == expectation.result && direct.source == expectation.source, "\(traffic)")
                }
            } else {
                for services in DatapathConfiguration.Services.allCases {
                    other.services = services
                    #expect(other.expectation(of: traffic) == expectation, "\(traffic)")
                }
            }
            // Masquerade touches nothing within a node, between pods, or of nodes themselves.
            other = config
            other.masquerade = .off
            let isInside =
                switch traffic.to {
                case .pod, .node(.sameNode): true
                default: traffic.from == .node
                }
            if isInside { #expect(other.expectation(of: traffic) == expectation, "\(traffic)") }
        }
    }

    @Test(arguments: DatapathConfiguration.all)
    func invariants(_ config: DatapathConfiguration) {
        for traffic in TrafficClass.all {
            let expectation = config.expectation(of: traffic)
            #expect(!expectation.reason.isEmpty)
            if expectation.result != .open { #expect(expectation.source == nil) }
            if case .denied = expectation.result { #expect(config.policy == .defaultDeny) }
            if expectation.result == .lost {
                // Somebody's address is unknown outside: a pod's, or a service's.
                #expect((config.masquerade == .off && traffic.from == .pod) || config.services == .nobody, "\(traffic)")
            }
            if expectation.result == .refused { #expect(config.services == .nobody) }
            if traffic.from == .node { #expect(expectation.source != .pod) }
        }
    }

    @Test(arguments: DatapathConfiguration.all)
    func valuesSayWhatTheRowIs(_ config: DatapathConfiguration) {
        let values = config.values
        #expect(values["routingMode"] == (config.isTunnel ? "tunnel" : "native"))
        #expect(values["kubeProxyReplacement"] == "\(config.services == .datapath)")
        #expect(values["enableIPv4Masquerade"] == "\(config.masquerade != .off)")
        #expect(values["bpf.masquerade"] == "\(config.masquerade == .bpf)")
        #expect(values["ipam.mode"] == (config.routing == .eni ? "eni" : "cluster-pool"))
    }
}
