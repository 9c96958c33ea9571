/// An option, and which of its values have an effect. A change that completes a feature widens the option's entry here.
/// The reader of profiles, the command line and the agent all use this list.
public struct OptionKey: Sendable {
    public enum Support: Sendable {
        /// All values of the type have an effect.
        case acts
        /// Only these values have an effect. Others are refused with the reason.
        case only([String], because: String)
    }

    /// The dotted name, `ipam.operator.clusterPoolIPv4PodCIDRList`.
    public let name: String
    public let type: OptionType
    public let support: Support

    init(_ name: String, _ type: OptionType, _ support: Support = .acts) {
        self.name = name
        self.type = type
        self.support = support
    }

    static func choice<Value: CaseIterable & RawRepresentable<String>>(
        _ name: String, _: Value.Type, _ support: Support = .acts
    ) -> OptionKey { OptionKey(name, .choice(Value.allCases.map(\.rawValue)), support) }
}

public enum OptionCatalogue {
    public static subscript(name: String) -> OptionKey? { byName[name] }
    private static let byName = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0) })

    /// The keys of `DatapathOptions`. A test compares the two.
    public static let keys: [OptionKey] = routing + masquerade + services + programs + addresses + policy + surroundings

    private static let entries = OptionType.integer(1...16_777_216)

    private static let routing: [OptionKey] = [
        .choice("routingMode", DatapathOptions.RoutingMode.self),
        .choice("tunnelProtocol", DatapathOptions.TunnelProtocol.self),
        OptionKey("tunnelPort", .integer(0...65_535)),
        OptionKey("MTU", .integer(0...65_535)),
        OptionKey("autoDirectNodeRoutes", .flag),
        OptionKey("ipv4NativeRoutingCIDR", .network),
        OptionKey("devices", .interfaces),
        OptionKey("ipv4.enabled", .flag, .only(["true"], because: "the datapath has no other family")),
        OptionKey("ipv6.enabled", .flag, .only(["false"], because: "the datapath has no IPv6")),
    ]

    private static let masquerade: [OptionKey] = [
        OptionKey("enableIPv4Masquerade", .flag),
        OptionKey("enableIPv6Masquerade", .flag, .only(["false"], because: "the datapath has no IPv6")),
        OptionKey("bpf.masquerade", .flag),
        OptionKey("egressMasqueradeInterfaces", .interfaces),
        OptionKey("ipMasqAgent.enabled", .flag),
        OptionKey("ipMasqAgent.config.nonMasqueradeCIDRs", .networks),
        OptionKey("ipMasqAgent.config.masqLinkLocal", .flag),
    ]

    private static let services: [OptionKey] = [
        .choice(
            "kubeProxyReplacement", DatapathOptions.KubeProxyReplacement.self,
            .only(
                ["true", "strict", "probe", "false", "disabled"],
                because: "the datapath serves every type, or what nodePort, hostPort and externalIPs switch on")),
        OptionKey("socketLB.enabled", .flag),
        OptionKey("socketLB.hostNamespaceOnly", .flag),
        OptionKey("nodePort.enabled", .flag),
        OptionKey("nodePort.range", .text, .only(["30000,32767"], because: "the range of node ports is fixed")),
        OptionKey("nodePort.bindProtection", .flag, .only(["true"], because: "it cannot be switched off")),
        OptionKey("nodePort.enableHealthCheck", .flag, .only(["true"], because: "it cannot be switched off")),
        OptionKey("hostPort.enabled", .flag),
        OptionKey("externalIPs.enabled", .flag),
        .choice("loadBalancer.mode", DatapathOptions.LoadBalancer.Mode.self),
        .choice("loadBalancer.algorithm", DatapathOptions.LoadBalancer.Algorithm.self),
        .choice(
            "loadBalancer.dsrDispatch", DatapathOptions.LoadBalancer.DSRDispatch.self,
            .only(["opt"], because: "the datapath has no other way of direct server return")),
        .choice(
            "loadBalancer.acceleration", DatapathOptions.LoadBalancer.Acceleration.self,
            .only(["disabled"], because: "the datapath has no XDP programs")),
        OptionKey(
            "maglev.tableSize",
            .choice(["251", "509", "1021", "2039", "4093", "8191", "16381", "32749", "65521", "131071"])),
        OptionKey("maglev.hashSeed", .text, .only([""], because: "the seed is fixed")),
        OptionKey("enableK8sTerminatingEndpoint", .flag, .only(["true"], because: "it cannot be switched off")),
    ]

    private static let programs: [OptionKey] = [
        OptionKey("bpf.hostLegacyRouting", .flag, .only(["false"], because: "there is one way through the host only")),
        OptionKey(
            "bpf.lbExternalClusterIP", .flag),
        OptionKey("bpf.tproxy", .flag, .only(["false"], because: "the datapath redirects to its proxy in another way")),
        .choice(
            "bpf.monitorAggregation", DatapathOptions.BPF.MonitorAggregation.self,
            .only(["none", "medium"], because: "events are aggregated by trace points, not by levels")),
        OptionKey(
            "bpf.events.drop.enabled", .flag,
            .only(["true"], because: "verdicts and diagnoses rest on the drops that agents report")),
        OptionKey("bpf.events.trace.enabled", .flag),
        OptionKey("bpf.ctTcpMax", entries, .only(["524288"], because: "the map's size is fixed")),
        OptionKey("bpf.ctAnyMax", entries, .only(["262144"], because: "the map's size is fixed")),
        OptionKey("bpf.natMax", entries, .only(["524288"], because: "the map's size is fixed")),
        OptionKey("bpf.neighMax", entries, .only(["524288"], because: "the kernel's own table is used")),
        OptionKey("bpf.policyMapMax", entries, .only(["16384"], because: "the map's size is fixed")),
        OptionKey("bpf.lbMapMax", entries, .only(["65536"], because: "the map's size is fixed")),
        OptionKey("conntrackGCInterval", .text, .only([""], because: "the interval follows from the entries' number")),
        OptionKey("bandwidthManager.enabled", .flag),
        OptionKey(
            "bandwidthManager.bbr", .flag, .only(["false"], because: "pods keep the kernel's congestion control")),
    ]

    private static let addresses: [OptionKey] = [
        .choice("ipam.mode", DatapathOptions.IPAM.Mode.self),
        OptionKey("ipam.operator.clusterPoolIPv4PodCIDRList", .networks),
        OptionKey("ipam.operator.clusterPoolIPv4MaskSize", .integer(8...29)),
        OptionKey("eni.enabled", .flag),
        OptionKey("eni.awsEnablePrefixDelegation", .flag),
        OptionKey("eni.awsReleaseExcessIPs", .flag),
        OptionKey("eni.updateEC2AdapterLimitViaAPI", .flag, .only(["true"], because: "limits come from the cloud")),
        OptionKey("eni.nodeSpec.firstInterfaceIndex", .integer(0...14)),
        OptionKey("eni.preAllocate", .integer(0...256)),
        OptionKey("eni.minAllocate", .integer(0...256)),
        OptionKey("eni.maxAboveWatermark", .integer(0...256)),
    ]

    private static let policy: [OptionKey] = [
        .choice(
            "policyEnforcementMode", DatapathOptions.PolicyEnforcementMode.self,
            .only(
                ["default"],
                because: "an endpoint is protected in the directions that policies name, and in no other")),
        OptionKey("policyAuditMode", .flag, .only(["false"], because: "what policies deny is dropped, not only told")),
        OptionKey("l7Proxy", .flag),
        .choice("dnsProxy.dnsRejectResponseCode", DatapathOptions.DNSProxy.RejectResponseCode.self),
        OptionKey(
            "dnsProxy.enableTransparentMode", .flag, .only(["true"], because: "servers see the pods' own addresses")),
        OptionKey("dnsProxy.minTtl", .integer(0...86_400)),
        OptionKey(
            "dnsProxy.proxyResponseMaxDelay", .text,
            .only(["100ms"], because: "an answer waits until policies hold for its addresses, however long")),
    ]

    private static let surroundings: [OptionKey] = [
        .choice(
            "cni.chainingMode", DatapathOptions.CNI.ChainingMode.self,
            .only(
                ["none", "generic-veth"],
                because: "aws-cni, portmap and flannel name plugins whose interfaces they know; generic-veth takes "
                    + "any veth")),
        OptionKey("cni.chainingTarget", .text),
        OptionKey("cni.exclusive", .flag, .only(["true"], because: "other plugins' files are left alone")),
        OptionKey("debug.enabled", .flag),
        OptionKey("k8sServiceHost", .text),
        OptionKey("k8sServicePort", .integer(0...65_535)),
        OptionKey(
            "prometheus.enabled", .flag, .only(["false"], because: "datapathd metrics prints them, nothing serves HTTP")
        ),
        OptionKey(
            "prometheus.port", .integer(1...65_535),
            .only(["9962"], because: "datapathd metrics prints them, nothing serves HTTP")),
        OptionKey("installIptablesRules", .flag),
        OptionKey("labrun.maskedKernelFeatures", .choices(KernelFeature.allCases.map(\.rawValue))),
        OptionKey(
            "installNoConntrackIptablesRules", .flag, .only(["false"], because: "the datapath installs no such rules")),
    ]
}
