/// Options of the datapath agent by their Helm names, and the values of them that the agent of this version acts on.
enum DatapathOptions {
    static let supported: [(name: String, values: [String])] = [
        ("bpf.masquerade", ["false"]),
        ("ipam.mode", ["cluster-pool"]),
        ("ipv6.enabled", ["false"]),
        ("kubeProxyReplacement", ["false"]),
        ("routingMode", ["tunnel"]),
        ("tunnelProtocol", ["vxlan"]),
    ]

    /// What is wrong with an option's value; nil when nothing is.
    static func mistake(name: String, value: String) -> (message: String, expected: String?, suggestion: String?)? {
        guard let option = supported.first(where: { $0.name == name }) else {
            let names = supported.map(\.name)
            return (
                "unknown datapath value \"\(name)\"", "one of " + names.joined(separator: ", "),
                NearestName.of(name, among: names)
            )
        }
        if option.values.contains(value) { return nil }
        return (
            "datapath value \(name) cannot be \"\(value)\"", Shape.choice(option.values).expected,
            NearestName.of(value, among: option.values)
        )
    }
}
