import NetAddress

/// Makes the nftables text of the VPC router from typed values, without side effects. The rules belong into the
/// router's own network namespace.
///
/// A packet passes destination translation (from the internet to a node), then the checks of `routed`, then the
/// kernel's routes, and source translation (from a node to the internet). Translation is one to one, as an internet
/// gateway's: ports stay what they are.
struct RouterRuleset {
    static let table = "vpc"
    static let gatewayInterface = "igw0"

    let cloud: CloudSpec
    let subnets: [IPv4CIDR]
    let logGroup: UInt16

    /// Destinations that are not in the internet: special-purpose addresses (RFC 6890), and the VPC's own.
    static let notInternet = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3",
    ]

    var base: [String] {
        let table = RouterRuleset.table
        let special = ([cloud.vpc].filter { !Self.isPrivate($0) }.map(\.network.description) + Self.notInternet)
            .joined(separator: ", ")
        let gateway = RouterRuleset.gatewayInterface
        var commands = [
            "add table ip \(table)",
            "add set ip \(table) known { type ipv4_addr; flags interval; }",
            "add set ip \(table) special { type ipv4_addr; flags interval; elements = { \(special) }; }",
            "add map ip \(table) publics { type ipv4_addr : ipv4_addr; }",
            "add map ip \(table) privates { type ipv4_addr : ipv4_addr; }",
            "add set ip \(table) owners { type ipv4_addr; }",
            "add chain ip \(table) translate { type nat hook prerouting priority -100; policy accept; }",
            "add chain ip \(table) publish { type nat hook postrouting priority 100; policy accept; }",
            "add chain ip \(table) routed { type filter hook prerouting priority -50; policy accept; }",
            "add chain ip \(table) own { type filter hook output priority 0; policy accept; }",
            "add chain ip \(table) inbound",
            "add rule ip \(table) translate iifname \"\(gateway)\" dnat to ip daddr map @privates",
            "add rule ip \(table) publish oifname \"\(gateway)\" snat to ip saddr map @publics",
            // A VPC sends no ICMP error about a host that is not there.
            "add rule ip \(table) own icmp type destination-unreachable icmp code { 0, 1 } counter drop"
                + " comment \"silent\"",
            // Multicast, which a VPC does not carry.
            "add rule ip \(table) routed ip daddr 224.0.0.0/4 drop",
            "add rule ip \(table) routed iifname \"\(gateway)\" goto inbound",
            "add rule ip \(table) routed ip saddr != @known " + discard(.sourceUnknown),
            "add rule ip \(table) routed ip daddr @known accept",
            "add rule ip \(table) routed ip daddr \(CloudSpec.metadataAddress) accept",
        ]
        if cloud.internet == nil {
            commands.append("add rule ip \(table) routed " + discard(.destinationUnknown))
        } else {
            commands += [
                "add rule ip \(table) routed ip daddr @special " + discard(.destinationUnknown),
                "add rule ip \(table) routed ip saddr != @owners " + discard(.noPublicAddress),
            ]
        }
        commands.append("add rule ip \(table) inbound ip daddr != @known " + discard(.publicAddressUnknown))
        return commands + subnets.map { known("add", $0) }
    }

    private func discard(_ reason: RouterDiscard.Reason) -> String {
        "counter log prefix \"\(reason.rawValue)\" group \(logGroup) snaplen 128 queue-threshold 1 drop"
            + " comment \"\(reason.rawValue)\""
    }

    func known(_ verb: String, _ network: IPv4CIDR) -> String {
        "\(verb) element ip \(RouterRuleset.table) known { \(network) }"
    }

    /// Binds a public address to a private one, or unbinds it.
    func publicAddress(_ verb: String, _ public: IPv4Address, of private: IPv4Address) -> [String] {
        let table = RouterRuleset.table
        let mapped = verb == "add"
        return [
            "\(verb) element ip \(table) publics { \(`private`)\(mapped ? " : \(`public`)" : "") }",
            "\(verb) element ip \(table) privates { \(`public`)\(mapped ? " : \(`private`)" : "") }",
            "\(verb) element ip \(table) owners { \(`private`) }",
        ]
    }

    private static func isPrivate(_ network: IPv4CIDR) -> Bool {
        notInternet.compactMap { IPv4CIDR($0) }.contains { $0.contains(network) }
    }
}
