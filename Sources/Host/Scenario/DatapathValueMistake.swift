import DatapathOptions
import ScenarioReading

/// What is wrong with a value of the datapath, in the parts of a problem's message.
struct DatapathValueMistake {
    let message: String
    let expected: String?
    let suggestion: String?
    /// There is no such option, whatever its value.
    let isAboutName: Bool

    /// Nil when nothing is wrong.
    init?(name: String, value: String) {
        guard let mistake = OptionCatalogue.mistake(name: name, value: value) else { return nil }
        message = mistake.description
        isAboutName = mistake.reason == .unknown
        switch mistake.reason {
        case .unknown:
            expected = nil
            suggestion =
                name == "tunnel" && value == "disabled"
                ? "routingMode" : Self.formerNames[name] ?? NearestName.of(name, among: OptionCatalogue.names)
        case .malformed:
            var choices: [String] = []
            if case .choice(let names) = OptionCatalogue[name]?.type { choices = names }
            expected = mistake.expected
            suggestion = NearestName.of(value, among: choices)
        case .unsupported:
            expected = mistake.expected
            suggestion = nil
        }
    }

    /// Names of older charts and of the agent's own flags, which the chart does not read.
    private static let formerNames = [
        "tunnel": "tunnelProtocol", "nativeRoutingCIDR": "ipv4NativeRoutingCIDR", "masquerade": "enableIPv4Masquerade",
        "hostServices.enabled": "socketLB.enabled", "global.hostServices.enabled": "socketLB.enabled",
        "global.nodePort.enabled": "nodePort.enabled", "global.externalIPs.enabled": "externalIPs.enabled",
        "enable-bpf-masquerade": "bpf.masquerade", "enable-ipv4-masquerade": "enableIPv4Masquerade",
        "kube-proxy-replacement": "kubeProxyReplacement", "tunnel-protocol": "tunnelProtocol",
        "egress-masquerade-interfaces": "egressMasqueradeInterfaces", "enable-l7-proxy": "l7Proxy",
        "enable-bandwidth-manager": "bandwidthManager.enabled",
    ]
}
