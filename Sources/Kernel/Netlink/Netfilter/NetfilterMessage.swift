import NetAddress

/// A message to nf_tables (linux/netfilter/nf_tables.h), limited to what masquerade needs.
enum NetfilterMessage {
    enum TableVerb { case create, get, delete }

    case table(TableVerb, String)
    /// A chain after routing, at the priority of source translation.
    case natChain(table: String, chain: String)
    case rule(table: String, chain: String, [NetfilterExpression])

    /// `NFNL_SUBSYS_NFTABLES`
    static let subsystem: UInt16 = 10

    /// `NFT_MSG_*`, with the subsystem in the upper byte.
    var type: UInt16 {
        let number: UInt16 =
            switch self {
            case .table(.create, _): 0
            case .table(.get, _): 1
            case .table(.delete, _): 2
            case .natChain: 3
            case .rule: 6
            }
        return Self.subsystem << 8 | number
    }

    /// `NLM_F_CREATE`, and for rules `NLM_F_APPEND`.
    var flags: UInt16 {
        switch self {
        case .table(.create, _), .natChain: 0x400
        case .table: 0
        case .rule: 0x400 | 0x800
        }
    }

    func attributes(_ bytes: inout NetlinkBytes) {
        switch self {
        case .table(_, let name):
            bytes.attribute(1, name)
        case .natChain(let table, let chain):
            bytes.attribute(1, table)
            bytes.attribute(3, chain)
            // NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC
            bytes.nest(4) {
                $0.attribute(1, 4)
                $0.attribute(2, 100)
            }
            bytes.attribute(7, "nat")
        case .rule(let table, let chain, let expressions):
            bytes.attribute(1, table)
            bytes.attribute(2, chain)
            bytes.nest(4) { list in
                for part in expressions.flatMap(\.parts) {
                    list.nest(1) { element in
                        element.attribute(1, part.name)
                        element.nest(2) { $0.append(part.data.bytes) }
                    }
                }
            }
        }
    }
}

/// A condition on a packet, or an action.
enum NetfilterExpression {
    case source(in: IPv4CIDR)
    case destination(in: IPv4CIDR)
    case leaves(by: MasqueradeTable.Interface)
    /// Ends the chain for this packet (return).
    case leave
    case masquerade

    struct Part {
        let name: String
        var data = NetlinkBytes()
    }

    /// Offsets in the IPv4 header (RFC 791).
    private static let sourceOffset: UInt32 = 12
    private static let destinationOffset: UInt32 = 16
    /// `NFT_REG_1`
    private static let register: UInt32 = 1
    private static let interfaceNameLength = 16

    var parts: [Part] {
        switch self {
        case .source(let range): Self.address(at: Self.sourceOffset, in: range)
        case .destination(let range): Self.address(at: Self.destinationOffset, in: range)
        case .leaves(.named(let name)):
            [Self.outgoingName, Self.equal(Self.padded(name))]
        case .leaves(.prefix(let prefix)):
            prefix.isEmpty ? [] : [Self.outgoingName, Self.equal(Array(prefix.utf8))]
        case .leave: [Self.returned]
        case .masquerade: [Part(name: "masq")]
        }
    }

    private static func address(at offset: UInt32, in range: IPv4CIDR) -> [Part] {
        var load = Part(name: "payload")
        load.data.attribute(1, register)
        // NFT_PAYLOAD_NETWORK_HEADER
        load.data.attribute(2, 1)
        load.data.attribute(3, offset)
        load.data.attribute(4, 4)
        var mask = Part(name: "bitwise")
        mask.data.attribute(1, register)
        mask.data.attribute(2, register)
        mask.data.attribute(3, 4)
        mask.data.nest(4) { $0.attribute(1, range.mask.octets) }
        mask.data.nest(5) { $0.attribute(1, [0, 0, 0, 0]) }
        return [load, mask, equal(range.network.address.octets)]
    }

    private static func equal(_ value: [UInt8]) -> Part {
        var part = Part(name: "cmp")
        part.data.attribute(1, register)
        // NFT_CMP_EQ
        part.data.attribute(2, 0)
        part.data.nest(3) { $0.attribute(1, value) }
        return part
    }

    private static var outgoingName: Part {
        var part = Part(name: "meta")
        part.data.attribute(1, register)
        // NFT_META_OIFNAME
        part.data.attribute(2, 7)
        return part
    }

    private static var returned: Part {
        var part = Part(name: "immediate")
        // NFT_REG_VERDICT, NFT_RETURN
        part.data.attribute(1, 0)
        part.data.nest(2) { data in data.nest(2) { $0.attribute(1, UInt32(bitPattern: -5)) } }
        return part
    }

    private static func padded(_ name: String) -> [UInt8] {
        let octets = Array(name.utf8.prefix(interfaceNameLength - 1))
        return octets + Array(repeating: 0, count: interfaceNameLength - octets.count)
    }
}
