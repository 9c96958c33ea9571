import LinuxKernel
import NetAddress

/// The capture of one tap: kernel buffer, ring on disk, decoding. Used by one thread at a time: the one that attaches
/// it, then the capture thread.
final class TapCapture: @unchecked Sendable {
    private static let batch = 4096

    let nic: NICSpec
    private let spec: CaptureSpec
    private var handle: PcapHandle?
    private var ring: CaptureRing?
    private var blocks: [UInt8] = []
    /// Of handles that were closed since.
    private var droppedBefore: UInt64 = 0
    private(set) var statistics: CaptureStatistics

    init(_ nic: NICSpec, spec: CaptureSpec, directory: String?) throws {
        self.nic = nic
        self.spec = spec
        statistics = CaptureStatistics(
            interfaceID: nic.interfaceID, tap: nic.tap, captured: 0, dropped: 0, unwritten: 0)
        if let directory {
            ring = try CaptureRing(
                directory: directory, name: nic.tap, description: "\(nic.node) \(nic.interfaceID)", spec: spec)
        }
        handle = try PcapHandle(device: nic.tap, snapLength: spec.snapLength, bufferSize: spec.bufferSize)
    }

    /// For poll(2); nil while the interface is away.
    var descriptor: Int32? { handle?.descriptor }

    /// Takes up to a batch of packets, writes them and gives them decoded.
    ///
    /// - Parameter clockOffset: monotonic minus wall clock, nanoseconds.
    /// - Returns: whether more may wait.
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
            statistics.failure = error.message
            close()
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

    /// By the Ethernet source, since a capture does not say: the node's own address means that it sent the frame, any
    /// other known one that it got it. What is neither was sent by the node under a false address.
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

    /// Asks the kernel what it had no room for.
    ///
    /// - Returns: whether that became more.
    func updateDrops() -> Bool {
        let before = statistics.dropped
        if let dropped = handle?.dropped() { statistics.dropped = droppedBefore + dropped }
        return statistics.dropped > before
    }

    /// Opens the capture again after the interface was away.
    func reopen() {
        guard handle == nil else { return }
        handle = try? PcapHandle(device: nic.tap, snapLength: spec.snapLength, bufferSize: spec.bufferSize)
    }

    func close() {
        _ = updateDrops()
        droppedBefore = statistics.dropped
        handle = nil
    }
}
