import BPF
import Datapath
import DatapathModel
import NetAddress

/// The state of address translation before a case: the flows, and what the agent would have written.
package struct NATSetup: Sendable {
    var masquerades = true
    var remoteNodes = false
    var ports = NATConfigEntry.defaultPorts
    var podMTU: UInt32 = 1450
    /// Whether the interface of the test is one of the node's devices.
    var hasDevice = true
    /// The flows that are known before the run.
    var flows: [(key: NATKey, entry: NATEntry)] = []

    /// The setup masquerades what leaves through the device of the test, and knows no flow.
    package static let masquerading = NATSetup()

    /// Pods keep their addresses towards this range.
    static let excluded = IPv4CIDR(IPv4Address(198, 51, 100, 0), prefixLength: 24)

    /// Writes the setup into an object's maps, if it has any.
    static func apply(_ setup: NATSetup?, to object: borrowing Object) throws {
        guard object.mapNames.contains(MapName.nat) else { return }
        let flows: Map<NATKey, NATEntry> = try object.map(MapName.nat)
        for key in try flows.keys() { try flows.removeValue(for: key) }
        let config: Map<UInt32, NATConfigEntry> = try object.map(MapName.natConfig)
        let setup = setup ?? NATSetup(masquerades: false)
        for flow in setup.flows { try flows.update(flow.entry, for: flow.key) }
        try config.update(
            NATConfigEntry(
                masquerades: setup.masquerades, remoteNodes: setup.remoteNodes, ports: setup.ports,
                podMTU: setup.podMTU), for: 0)
        let devices: Map<UInt32, DeviceEntry> = try object.map(MapName.devices)
        if setup.hasDevice {
            try devices.update(DeviceEntry(address: TestNode.node), for: TestNode.podInterface)
        } else {
            try devices.removeValue(for: TestNode.podInterface)
        }
        guard let excluded else { throw SelftestFailure(description: "no excluded range") }
        let exclusions: Map<IPCacheKey, UInt32> = try object.map(MapName.natExclude)
        try exclusions.update(MasqueradeExclusion.nonMasquerade.rawValue, for: IPCacheKey(excluded))
    }
}
