import LinuxKernel
import NetAddress

/// The capture of one tap: the kernel's buffer, the ring on disk, and decoding. Only one thread uses it at a time: at
/// first the one that attaches the tap, then the capture thread.
final class TapCapture: @unchecked Sendable {
    private static let batch = 4096

    let nic: NICSpec
    private let spec: CaptureSpec
    private var handle: PcapHandle?
    private var ring: CaptureRing?
    private var blocks: [UInt8] = []
    private var continuity = CaptureContinuity()
    private(set) var statistics: CaptureStatistics

    init(_ nic: NICSpec, spec: CaptureSpec, directory: String?) throws {
        self.nic = nic
        self.spec = spec
        statistics = CaptureStatistics(
            interfaceID: nic.interfaceID, tap: nic.tap, captured: 0, dropped: 0, unwritten: 0)
        if let directory { ring = try Self.ring(nic, spec, directory) }
        handle = try PcapHandle(device: nic.tap, snapLength: spec.snapLength, bufferSize: spec.bufferSize)
    }

    private static func ring(
        _ nic: NICSpec, _ spec: CaptureSpec, _ directory: String
    ) throws(SystemError) -> CaptureRing {
        try CaptureRing(
            directory: directory, name: nic.tap, description: "\(nic.node) \(nic.interfaceID)", spec: spec)
    }

    /// Begins new files in a folder.
    func beginFile(in directory: String) throws(SystemError) { ring = try Self.ring(nic, spec, directory) }

    /// Closes the files. Packets are still taken and decoded, but not written.
    func endFile() { ring = nil }

    /// The descriptor to wait for with poll(2); nil while the interface is away.
    var descriptor: Int32? { handle?.descriptor }

    /// Takes at most a batch of packets, writes them to disk and appends them to `seen`, decoded.
    ///
    /// - Parameter clockOffset: The monotonic clock minus the wall clock, in nanoseconds.
    /// - Returns: Whether more packets may wait.
    func drain(clockOffset: Int64, known: Set<UInt64>, into seen: inout [Seen]) -> Bool {
        guard handle != nil else { return false }
        blocks.removeAll(keepingCapacity: true)
        var taken = 0
        let writes = ring != nil
        do {
            taken = try read { time, bytes, length in
                let packet = PacketDecoder.ethernet(bytes)
                let direction = self.direction(of: packet, known: known)
                seen.append(
                    Seen(
                        time: time + clockOffset, wallTime: time, direction: direction, packet: packet, length: length))
                if writes {
                    PcapNG.appendPacket(
                        to: &self.blocks, time: time, bytes: bytes, length: length, direction: direction)
                }
            }
        } catch {
            close()
            // That an interface was taken down is no failure. Anything else that ends a handle is one.
            if reopen() != .interfaceDown { statistics.failure = error.message }
        }
        statistics.captured += UInt64(taken)
        write(packets: taken)
        return taken == Self.batch
    }

    private func read(
        _ body: (Int64, UnsafeRawBufferPointer, Int) -> Void
    ) throws(FabricError) -> Int {
        switch handle {
        case .some(let handle): try handle.drain(limit: Self.batch, body)
        case .none: 0
        }
    }

    /// The direction of a frame, told by its Ethernet source, because a capture does not say it: the node's own address
    /// means that the node sent the frame, another known address that the node received it. An unknown address means
    /// that the node sent the frame under a false one.
    private func direction(of packet: DecodedPacket, known: Set<UInt64>) -> PacketSighting.Direction {
        if packet.sourceMAC == nic.mac.rawValue { return .fromNode }
        return known.contains(packet.sourceMAC) || packet.destinationMAC == nic.mac.rawValue ? .toNode : .fromNode
    }

    private func write(packets: Int) {
        guard !blocks.isEmpty else { return }
        do {
            try ring?.append(blocks)
        } catch {
            statistics.unwritten += UInt64(packets)
            statistics.failure = "\(error)"
        }
    }

    /// Whether packets may have been missed since this was last asked: the kernel had no room for them, or the
    /// interface was up while no handle was open.
    func takeMissed() -> Bool {
        reopen()
        updateDrops()
        return continuity.takeMissed()
    }

    private func updateDrops() {
        guard let dropped = handle?.dropped() else { return }
        continuity.counted(dropped: dropped)
        statistics.dropped = continuity.dropped
    }

    /// Opens the capture unless it is open.
    ///
    /// - Returns: How the attempt ended; nil when the capture was open already.
    @discardableResult
    func reopen() -> CaptureContinuity.Opening? {
        guard handle == nil else { return nil }
        let opening: CaptureContinuity.Opening
        do {
            handle = try PcapHandle(device: nic.tap, snapLength: spec.snapLength, bufferSize: spec.bufferSize)
            opening = .opened
        } catch {
            opening = error.isInterfaceDown ? .interfaceDown : .failed(error.message)
            if !error.isInterfaceDown { statistics.failure = error.message }
        }
        continuity.tried(opening)
        return opening
    }

    func close() {
        updateDrops()
        continuity.closed()
        handle = nil
    }
}
