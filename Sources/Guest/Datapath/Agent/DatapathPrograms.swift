import BPF
import DatapathModel
import LinuxKernel
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// The loaded BPF programs, and where each is attached.
struct DatapathPrograms: ~Copyable {
    let fromContainer: Program
    let toContainer: Program
    let fromOverlay: Program
    let toOverlay: Program
    let fromHost: Program
    let toProxy: Program
    let fromNetdev: Program
    let toNetdev: Program
    let maps: DatapathMaps
    let nat: NATMaps
    let bandwidth: BandwidthMap

    /// Loads the three objects, or takes those that the same build has loaded before. Existing pinned maps are used as
    /// they are.
    static func load(pins: String) throws -> DatapathPrograms {
        let lxc = try KeptObject.take(.lxc, programs: ["from_container", "to_container"], pins: pins)
        let overlay = try KeptObject.take(.overlay, programs: ["from_overlay", "to_overlay"], pins: pins)
        let host = try KeptObject.take(
            .host, programs: ["from_host", "to_proxy", "from_netdev", "to_netdev"], pins: pins)
        Log.info("programs loaded", ["verified": "\(lxc.isPinned ? "by an earlier agent" : "now")"])
        return DatapathPrograms(
            fromContainer: try lxc.program("from_container"), toContainer: try lxc.program("to_container"),
            fromOverlay: try overlay.program("from_overlay"), toOverlay: try overlay.program("to_overlay"),
            fromHost: try host.program("from_host"), toProxy: try host.program("to_proxy"),
            fromNetdev: try host.program("from_netdev"),
            toNetdev: try host.program("to_netdev"), maps: try DatapathMaps.open(pins: pins),
            nat: try NATMaps.open(pins: pins), bandwidth: try BandwidthMap.open(pins: pins))
    }

    /// Attaches the programs to the node's devices, in place of earlier ones. Programs that deliver come first, those
    /// that send to them last.
    func attach(to devices: HostDevices) throws(SystemError) {
        if let overlay = devices.overlay {
            try TrafficControl.attach(toOverlay, to: UInt32(overlay.index), .egress)
            try TrafficControl.attach(fromOverlay, to: UInt32(overlay.index), .ingress)
        }
        try TrafficControl.attach(toProxy, to: UInt32(devices.hostIndex), .ingress)
        try TrafficControl.attach(fromHost, to: UInt32(devices.hostIndex), .egress)
        for device in devices.nodeDevices {
            // Answers must be understood before anything is translated.
            try TrafficControl.attach(fromNetdev, to: UInt32(device.index), .ingress)
            try TrafficControl.attach(toNetdev, to: UInt32(device.index), .egress)
        }
    }

    /// Attaches the programs to the node's devices, and detaches them from interfaces that are no longer node devices.
    func reconcile(_ devices: [NodeDevice]) throws(SystemError) {
        for device in devices { try nat.insert(device) }
        for index in try nat.deviceIndices() where !devices.contains(where: { UInt32($0.index) == index }) {
            for direction in TrafficControl.Direction.allCases {
                do throws(SystemError) {
                    try TrafficControl.detach(interface: index, direction)
                } catch {
                    // The interface is gone, and its filters with it.
                    if error.code != ENODEV { throw error }
                }
            }
            try nat.removeDevice(index)
        }
    }

    func attachEndpoint(interface: Int) throws(SystemError) {
        try TrafficControl.attach(toContainer, to: UInt32(interface), .egress)
        try TrafficControl.attach(fromContainer, to: UInt32(interface), .ingress)
    }

    /// Returns what is wrong with the programs of an endpoint's interface, or nil.
    func problem(endpointInterface: Int) throws(SystemError) -> String? {
        guard try isAttached(fromContainer, UInt32(endpointInterface), .ingress) else {
            return "from_container is not attached"
        }
        guard try isAttached(toContainer, UInt32(endpointInterface), .egress) else {
            return "to_container is not attached"
        }
        return nil
    }

    /// Returns a line for each attached program, such as `eth0 ingress: from_netdev id 12`, and a line for each hook
    /// that lacks its program or has another one.
    func inspect(_ devices: HostDevices) throws(SystemError) -> (attached: [String], missing: [String]) {
        var lines: (attached: [String], missing: [String]) = ([], [])
        func look(_ name: String, _ index: Int32, _ direction: TrafficControl.Direction, _ program: borrowing Program)
            throws(SystemError)
        {
            let hook = "\(name) \(direction == .ingress ? "ingress" : "egress")"
            switch try attached(UInt32(index), direction) {
            case program.identifier?: lines.attached.append("\(hook): \(program.name) id \(program.identifier)")
            case let other?: lines.missing.append("\(hook): program \(other) in the place of \(program.name)")
            case nil: lines.missing.append("\(hook): \(program.name) is not attached")
            }
        }
        for device in devices.nodeDevices {
            try look(device.name, device.index, .ingress, fromNetdev)
            try look(device.name, device.index, .egress, toNetdev)
        }
        try look(HostDevices.host, devices.hostIndex, .ingress, toProxy)
        try look(HostDevices.host, devices.hostIndex, .egress, fromHost)
        if let overlay = devices.overlay {
            try look(overlay.name, overlay.index, .ingress, fromOverlay)
            try look(overlay.name, overlay.index, .egress, toOverlay)
        }
        return lines
    }

    private func isAttached(
        _ program: borrowing Program, _ interface: UInt32, _ direction: TrafficControl.Direction
    ) throws(SystemError) -> Bool {
        try attached(interface, direction) == program.identifier
    }

    /// Returns the program on a hook. It is nil also if the interface is gone.
    private func attached(
        _ interface: UInt32, _ direction: TrafficControl.Direction
    ) throws(SystemError) -> UInt32? {
        do throws(SystemError) {
            return try TrafficControl.attachedProgram(interface: interface, direction)
        } catch {
            if error.code == ENODEV { return nil }
            throw error
        }
    }
}
