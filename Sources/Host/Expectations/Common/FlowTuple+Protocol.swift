import Readings

extension FlowTuple {
    /// Whether a flow has a protocol, and a port at one of its ends.
    ///
    /// - Parameters:
    ///   - name: `tcp`, `udp` or `icmp`. Any other name matches every protocol.
    ///   - port: The port, or nil for any port.
    ///   - atSource: Whether the source's port is compared. Otherwise it is the destination's.
    func matches(_ name: String, port: UInt16?, atSource: Bool = false) -> Bool {
        let number: UInt8? = ["icmp": 1, "tcp": 6, "udp": 17][name.lowercased()]
        let own = atSource ? sourcePort : destinationPort
        return (number == nil || number == `protocol`) && (port == nil || port == own)
    }
}
