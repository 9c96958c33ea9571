import Readings

extension FlowTuple {
    /// Whether a flow is of a protocol, and at one of its ends of a port.
    ///
    /// - Parameters:
    ///   - name: `tcp`, `udp` or `icmp`; every protocol matches any other name.
    ///   - port: nil for any port.
    ///   - atSource: whether it is the source's port; else the destination's.
    func matches(_ name: String, port: UInt16?, atSource: Bool = false) -> Bool {
        let number: UInt8? = ["icmp": 1, "tcp": 6, "udp": 17][name.lowercased()]
        let own = atSource ? sourcePort : destinationPort
        return (number == nil || number == `protocol`) && (port == nil || port == own)
    }
}
