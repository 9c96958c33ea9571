extension PacketEvent: Codable {
    private enum Key: String, CodingKey {
        case node, sequence, nanoseconds, point, direction, dropReason, dropCode, location, icmpSequence
        case sourceIdentity, destinationIdentity, endpointID, interface, tunnelPeer, length, rule, destinationNames
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        let drop = try values.decodeIfPresent(DropReason.self, forKey: .dropReason).map {
            PacketDrop(
                $0, code: try values.decodeIfPresent(Int.self, forKey: .dropCode),
                location: try values.decodeIfPresent(String.self, forKey: .location))
        }
        self.init(
            node: try values.decodeIfPresent(String.self, forKey: .node) ?? "",
            sequence: try values.decode(UInt64.self, forKey: .sequence),
            nanoseconds: try values.decode(UInt64.self, forKey: .nanoseconds),
            hook: try values.decode(PacketHook.self, forKey: .point),
            // An unknown direction is read as none.
            direction: try values.decodeIfPresent(String.self, forKey: .direction).flatMap(PacketDirection.init),
            drop: drop, flow: try FlowTuple(from: decoder),
            icmpSequence: try values.decode(UInt16.self, forKey: .icmpSequence),
            sourceIdentity: try values.decode(UInt32.self, forKey: .sourceIdentity),
            destinationIdentity: try values.decode(UInt32.self, forKey: .destinationIdentity),
            endpointID: try values.decode(UInt16.self, forKey: .endpointID),
            interface: try values.decode(String.self, forKey: .interface),
            tunnelPeer: try values.decodeIfPresent(String.self, forKey: .tunnelPeer),
            length: try values.decode(Int.self, forKey: .length),
            rule: try values.decodeIfPresent(String.self, forKey: .rule),
            destinationNames: try values.decodeIfPresent([String].self, forKey: .destinationNames))
    }

    public func encode(to encoder: any Encoder) throws {
        try flow.encode(to: encoder)
        var values = encoder.container(keyedBy: Key.self)
        if !node.isEmpty { try values.encode(node, forKey: .node) }
        try values.encode(sequence, forKey: .sequence)
        try values.encode(nanoseconds, forKey: .nanoseconds)
        try values.encode(hook, forKey: .point)
        try values.encodeIfPresent(direction, forKey: .direction)
        try values.encodeIfPresent(drop?.reason, forKey: .dropReason)
        try values.encodeIfPresent(drop?.code, forKey: .dropCode)
        try values.encodeIfPresent(drop?.location, forKey: .location)
        try values.encode(icmpSequence, forKey: .icmpSequence)
        try values.encode(sourceIdentity, forKey: .sourceIdentity)
        try values.encode(destinationIdentity, forKey: .destinationIdentity)
        try values.encode(endpointID, forKey: .endpointID)
        try values.encode(interface, forKey: .interface)
        try values.encodeIfPresent(tunnelPeer, forKey: .tunnelPeer)
        try values.encode(length, forKey: .length)
        try values.encodeIfPresent(rule, forKey: .rule)
        try values.encodeIfPresent(destinationNames, forKey: .destinationNames)
    }
}
