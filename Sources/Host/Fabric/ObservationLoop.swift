import Glibc
import LinuxKernel
import NetAddress

/// The loop of the capture thread, which polls all captures and the netfilter log. It is made by the thread that starts
/// the capture thread; from then on only the capture thread uses it.
final class ObservationLoop: @unchecked Sendable {
    private let log: PcapHandle
    /// The router's log of discarded packets.
    private let discards: PcapHandle?
    /// Whether the log's last read failed. It is then tried again without waiting for its descriptor.
    private var isLogFailing = false
    private var logDropped: UInt64 = 0
    private var file: FlowLogFile?
    private let accountID: String
    private let wakeDescriptor: Int32
    private var captures: [TapCapture] = []
    private var seen: [Seen] = []
    private var nextDropCheck: Int64 = 0
    private static let logBatch = 4096

    init(
        log: consuming PcapHandle, discards: consuming PcapHandle?, file: consuming FlowLogFile?, accountID: String,
        descriptor: Int32
    ) {
        self.log = log
        self.discards = discards
        self.file = file
        self.accountID = accountID
        wakeDescriptor = descriptor
    }

    func run(_ observation: Observation) {
        while true {
            wait()
            let commands = observation.takeCommands()
            for case .attach(let capture) in commands { captures.append(capture) }
            // Packets in the buffers came before the commands, which may ask for them, so the buffers are emptied
            // first.
            drain(observation, untilEmpty: !commands.isEmpty)
            for command in commands {
                switch command {
                case .attach: break
                case .detach(let interface, let done):
                    if let index = captures.firstIndex(where: { $0.nic.interfaceID == interface }) {
                        // Statistics are published before the capture is closed: to publish opens captures without a
                        // handle again.
                        publishStatistics(observation)
                        captures[index].close()
                        captures.remove(at: index)
                    }
                    done.signal()
                case .catchUp(let continuation):
                    publishStatistics(observation)
                    continuation.resume()
                case .endFiles(let continuation):
                    publishStatistics(observation)
                    finishFile(observation)
                    file = nil
                    for capture in captures { capture.endFile() }
                    continuation.resume()
                case .record(let directory, let continuation):
                    continuation.resume(with: Result { try record(in: directory) })
                case .stop(let continuation):
                    publishStatistics(observation)
                    finishFile(observation)
                    // To close a capture takes the kernel some 20 ms, because it waits for RCU. Nobody need wait for
                    // that.
                    continuation.resume()
                    captures = []
                    return
                }
            }
        }
    }

    private func record(in directory: String) throws {
        file = try FlowLogFile(directory: directory, accountID: accountID)
        for capture in captures { try capture.beginFile(in: directory) }
    }

    private func wait() {
        var watched = [
            pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0),
            // poll(2) ignores negative descriptors. Without that, a log that fails for good would wake the loop without
            // end.
            pollfd(fd: isLogFailing ? -1 : log.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        switch discards {
        case .none: break
        case .some(let discards):
            watched.append(pollfd(fd: discards.descriptor, events: Int16(POLLIN), revents: 0))
        }
        var isMissing = isLogFailing
        for capture in captures {
            capture.reopen()
            if let descriptor = capture.descriptor {
                watched.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
            } else {
                isMissing = true
            }
        }
        // The wait is limited for two reasons: a capture whose interface is down is tried again, and the flow log's
        // minute ends also without traffic.
        poll(&watched, UInt(watched.count), isMissing ? 50 : 1000)
    }

    private func drain(_ observation: Observation, untilEmpty: Bool) {
        let wall = wallNanoseconds()
        let offset = MonotonicTime.now.nanoseconds - wall
        var known: Set<UInt64> = []
        var nodes: [String: String] = [:]
        observation.remember { traffic in
            known = traffic.knownMACs
            nodes = traffic.attachedNodes
        }
        roll(observation, now: wall, nodes: nodes)
        drainLog(observation, clockOffset: offset, untilEmpty: untilEmpty)
        drainDiscards(observation, clockOffset: offset)
        var more = true
        while more {
            more = false
            for capture in captures {
                seen.removeAll(keepingCapacity: true)
                if capture.drain(clockOffset: offset, known: known, into: &seen) { more = untilEmpty }
                guard !seen.isEmpty else { continue }
                record(observation, capture.nic.interfaceID)
            }
        }
        if MonotonicTime.now.nanoseconds >= nextDropCheck {
            publishStatistics(observation)
            nextDropCheck = MonotonicTime.now.nanoseconds + 200_000_000
        }
    }

    private func record(_ observation: Observation, _ interfaceID: String) {
        var nic: NICSpec?
        observation.remember { traffic in
            traffic.append(seen, interfaceID: interfaceID)
            if !traffic.isCloud(interfaceID) { nic = traffic.nic(interfaceID) }
        }
        guard let nic else { return }
        for entry in seen {
            guard let header = entry.packet.outer, nic.isFlow(entry) else { continue }
            file?.add(
                header, interfaceID: interfaceID, direction: entry.direction, action: .accept, at: entry.wallTime)
        }
    }

    private func drainLog(_ observation: Observation, clockOffset: Int64, untilEmpty: Bool) {
        var taken = Self.logBatch
        while taken == Self.logBatch {
            var entries: [(NetfilterLogEntry, Seen)] = []
            do {
                taken = try log.drain(limit: Self.logBatch) { time, bytes, length in
                    guard let entry = NetfilterLogEntry(bytes) else { return }
                    let seen = Seen(
                        time: time + clockOffset, wallTime: time,
                        direction: entry.direction == .ingress ? .toNode : .fromNode, packet: entry.packet,
                        length: length)
                    entries.append((entry, seen))
                }
                isLogFailing = false
            } catch {
                taken = 0
                isLogFailing = true
                observation.remember {
                    $0.lostLog(at: MonotonicTime.now.nanoseconds)
                    $0.fail("netfilter log: \(error.message)")
                }
            }
            guard !entries.isEmpty else { return }
            observation.remember { traffic in
                for (entry, seen) in entries { traffic.reject(seen, interfaceID: entry.interfaceID) }
            }
            for (entry, seen) in entries {
                guard let header = seen.packet.outer else { continue }
                file?.add(
                    header, interfaceID: entry.interfaceID, direction: seen.direction, action: .reject,
                    at: seen.wallTime)
            }
        }
    }

    private func drainDiscards(_ observation: Observation, clockOffset: Int64) {
        var taken = Self.logBatch
        while taken == Self.logBatch {
            var found: [RouterDiscard] = []
            do {
                taken = try takeDiscards { time, bytes, _ in
                    guard let (prefix, packet) = NetfilterLogEntry.read(bytes), let header = packet.outer,
                        let reason = RouterDiscard.Reason(rawValue: prefix)
                    else { return }
                    found.append(RouterDiscard(reason: reason, header: header, time: time + clockOffset))
                }
            } catch {
                taken = 0
                observation.remember { $0.fail("log of the router: \(error.message)") }
            }
            guard !found.isEmpty else { return }
            observation.remember { traffic in for discard in found { traffic.discard(discard) } }
        }
    }

    private func takeDiscards(
        _ body: (Int64, UnsafeRawBufferPointer, Int) -> Void
    ) throws(FabricError) -> Int {
        switch discards {
        case .some(let discards): try discards.drain(limit: Self.logBatch, body)
        case .none: 0
        }
    }

    private func publishStatistics(_ observation: Observation) {
        for capture in captures {
            let missed = capture.takeMissed()
            let now = MonotonicTime.now.nanoseconds
            observation.remember { $0.update(capture.statistics, lostAt: missed ? now : nil) }
        }
        // When the log's socket had no room, libpcap does not fail; it counts the loss here.
        guard let dropped = log.dropped(), dropped > logDropped else { return }
        logDropped = dropped
        observation.remember { $0.lostLog(at: MonotonicTime.now.nanoseconds) }
    }

    // A flow log that cannot be written must not end the captures. Its records stay readable in memory.

    private func roll(_ observation: Observation, now: Int64, nodes: [String: String]) {
        do { try file?.roll(now: now, nodes: nodes) } catch {
            observation.remember { $0.fail("flow log: \(error)") }
        }
    }

    private func finishFile(_ observation: Observation) {
        var nodes: [String: String] = [:]
        observation.remember { nodes = $0.attachedNodes }
        do { try file?.finish(nodes: nodes) } catch {
            observation.remember { $0.fail("flow log: \(error)") }
        }
    }
}

func wallNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
