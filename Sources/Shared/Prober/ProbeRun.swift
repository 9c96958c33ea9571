import CNodeShim
import Glibc
import LinuxKernel
import NodeProtocol

/// Measures one plan, with one thread and one epoll. All pairs and protocols are measured at the same time.
///
/// The number of packets that were just sent and are not answered yet is bounded (`window`). Otherwise a burst would
/// overflow the queues of the path under test, and that would look like loss. A packet that has waited for longer than
/// a few round trips no longer counts, so that blocked pairs hold up nobody.
///
/// Every cell has the plan's deadline for itself, from its first packet on. Thus a node that is slow to send a large
/// plan does not look like a path that is slow to answer. A single packet that gets no answer is sent again twice
/// within the deadline, as TCP does.
package final class ProbeRun {
    /// How many probes may wait for a prompt answer at the same time.
    static let window = 64
    /// The bounds, in microseconds, of the age at which an unanswered probe no longer counts in the window. Between
    /// them, that age is four round trips. A node whose processor is busy answers only after hundreds of milliseconds,
    /// and its memory would fill with packets if the sender went on regardless.
    static let ages: ClosedRange<Int64> = 10_000...1_000_000
    /// Nothing more is sent for a cell whose deadline is nearer than this, in microseconds. With a short deadline, half
    /// of the deadline counts instead.
    static let patience: Int64 = 500_000

    let plan: ProbePlan
    let codes: [ProbeProtocolCode]
    let targets: [node_endpoint?]
    let isTrain: Bool
    var cells: [ProbeCell] = []
    /// The sockets of the plan's sources, by position, and after them those for one target alone. Nil before the first
    /// probe.
    var sockets: [ProbeSockets?]
    /// The echoes of the plan's sources, by position.
    var echoes: [EchoSequences]
    var timers = ProbeTimers()
    /// Cells that were begun and wait for a free descriptor or for room in a queue.
    private var deferred: [Int] = []
    private var young: [(time: Int64, cell: Int)] = []
    private var youngHead = 0
    private var youngCount = 0
    private var smoothedRoundTrip: Int64 = 5_000
    private var remaining = 0
    var openConnections = 0
    let connectionBudget: Int
    let epoll: FileDescriptor
    private let namespaces: NamespaceThread
    private let start = MonotonicTime.now
    private let deadline: Int64
    private let lastLaunch: Int64
    private let lastWords: Int64
    /// When cells are given up, in the order in which they were begun.
    private var expiries = ProbeTimers()

    package init(_ plan: ProbePlan, namespacePath: @escaping (PodReference) -> String) throws {
        self.plan = plan
        codes = try plan.protocols.map { name in
            guard let code = ProbeProtocolCode(name: name), ProbeProtocolCode.echoed.contains(code) else {
                throw NodeFailure(code: "bad-request", message: "unknown protocol \(name)")
            }
            return code
        }
        guard plan.pairs.count == plan.sources.count, plan.count >= 1, plan.count <= 1000,
            plan.pairs.allSatisfy({ $0.allSatisfy(plan.targets.indices.contains) })
        else { throw NodeFailure(code: "bad-request", message: "plan \(plan.id): pairs or count do not fit") }
        targets = plan.targets.map { node_endpoint($0) }
        isTrain = plan.count > 1
        sockets = Array(repeating: nil, count: plan.sources.count)
        echoes = Array(repeating: EchoSequences(), count: plan.sources.count)
        deadline = Int64(plan.deadlineMillis) * 1000
        lastLaunch = deadline + Int64(plan.launchMillis) * 1000
        lastWords = deadline - min(Self.patience, deadline / 2)
        connectionBudget = Int(min(8192, node_descriptor_limit() / 2))
        epoll = FileDescriptor(owning: try check("epoll_create1") { node_epoll_create() })
        namespaces = NamespaceThread(path: namespacePath)
        for (source, pairs) in plan.pairs.enumerated() {
            // Every source begins with another target. Otherwise all nodes would send to the same one at once.
            let shift = pairs.isEmpty ? 0 : (plan.sources[source].index * 7) % pairs.count
            for target in pairs[shift...] + pairs[..<shift] {
                for code in codes where plan.targets[target].takes(code.name) {
                    var socket = source
                    if code == .udp, plan.targets[target].isTranslated == true {
                        socket = sockets.count
                        sockets.append(nil)
                    }
                    cells.append(ProbeCell(source: source, target: target, code: code, socket: socket))
                }
            }
        }
        remaining = cells.count
    }

    deinit {
        for socket in sockets { socket?.close() }
        for cell in cells where cell.descriptor >= 0 { close(cell.descriptor) }
    }

    /// The microseconds since the start.
    var now: Int64 { (MonotonicTime.now.nanoseconds - start.nanoseconds) / 1000 }

    /// Measures the plan. The calling thread is left in some network namespace, so it must be a thread of its own.
    package func run() -> (summary: ProbeSummary, results: [ProbeResult]) {
        // Answering goes before asking. A node whose only processor is busy then sends less, and does not answer late.
        yieldToOthers()
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        var next = 0
        while remaining > 0 {
            let time = now
            expire(time)
            age(time)
            if time <= lastLaunch {
                retryDeferred()
                while next < cells.count, youngCount < Self.window {
                    begin(next)
                    next += 1
                }
            } else if next < cells.count {
                for index in next..<cells.count { finish(index, .notMeasured(error: 0)) }
                next = cells.count
            }
            resend(time)
            guard remaining > 0 else { break }
            let count = node_epoll_wait(
                epoll.rawValue, &events, Int32(events.count), waitMillis(time, next < cells.count))
            if count > 0 { for index in 0..<Int(count) { handle(&events[index]) } }
        }
        return report()
    }

    private func waitMillis(_ time: Int64, _ more: Bool) -> Int32 {
        if more && youngCount < Self.window { return 0 }
        var next = expiries.next ?? time + deadline
        if let due = timers.next { next = min(next, due) }
        if more, youngHead < young.count { next = min(next, young[youngHead].time + ageLimit) }
        if !deferred.isEmpty { next = min(next, time + 2_000) }
        return Int32(max(0, min(60_000, (next - time + 999) / 1000)))
    }

    /// Gives up the cells whose deadline is over.
    private func expire(_ time: Int64) {
        while let index = expiries.takeDue(time) {
            let cell = cells[index]
            guard cell.outcome == nil else { continue }
            // A cell that was deferred was sent later than it was begun, or not yet.
            let begun = cell.sent == 0 ? time : cell.firstSent
            if begun + deadline > time, cell.sent > 0 || time <= lastLaunch {
                expiries.add(begun + deadline, index)
            } else {
                finish(index, cell.finalOutcome(count: plan.count))
            }
        }
    }

    private var ageLimit: Int64 { min(max(4 * smoothedRoundTrip, Self.ages.lowerBound), Self.ages.upperBound) }

    /// Takes the probes out of the window that have waited for too long to be delayed by a queue.
    private func age(_ time: Int64) {
        while youngHead < young.count, young[youngHead].time + ageLimit <= time {
            let cell = young[youngHead].cell
            youngHead += 1
            if cells[cell].isYoung {
                cells[cell].isYoung = false
                youngCount -= 1
            }
        }
    }

    // MARK: Sending

    private func begin(_ index: Int) {
        let cell = cells[index]
        guard let target = targets[cell.target] else { return finish(index, .notMeasured(error: UInt16(EINVAL))) }
        do {
            try namespaces.enter(plan.sources[cell.source].pod)
            if cell.code != .tcp, sockets[cell.socket] == nil { try openSockets(cell) }
        } catch {
            return finish(index, .notMeasured(error: UInt16(truncatingIfNeeded: error.code)))
        }
        cells[index].isYoung = true
        youngCount += 1
        young.append((now, index))
        expiries.add(now + deadline, index)
        if cell.code == .tcp {
            connect(index, target)
        } else {
            send(index)
        }
    }

    private func openSockets(_ cell: ProbeCell) throws(SystemError) {
        let isShared = cell.socket == cell.source
        let opened = try ProbeSockets(
            withDatagrams: !isShared || codes.contains(.udp), withEchoes: isShared && codes.contains(.icmp))
        sockets[cell.socket] = opened
        let interest = EPOLLIN.rawValue
        for (kind, descriptor) in [(ProbeTag.Kind.datagrams, opened.datagrams), (.echoes, opened.echoes)]
        where descriptor >= 0 {
            try check("epoll_ctl", "prober") {
                node_epoll_add(epoll.rawValue, descriptor, interest, ProbeTag(kind: kind, index: cell.socket).rawValue)
            }
        }
    }

    func deferCell(_ index: Int) { deferred.append(index) }

    private func retryDeferred() {
        guard !deferred.isEmpty else { return }
        let waiting = deferred
        deferred = []
        for index in waiting where cells[index].outcome == nil {
            guard let target = targets[cells[index].target] else { continue }
            guard (try? namespaces.enter(plan.sources[cells[index].source].pod)) != nil else { continue }
            if cells[index].code == .tcp { connect(index, target) } else { send(index) }
        }
    }

    private func resend(_ time: Int64) {
        var budget = Self.window
        while budget > 0, let index = timers.takeDue(time) {
            guard cells[index].outcome == nil, time <= cells[index].firstSent + lastWords else { continue }
            budget -= 1
            send(index)
        }
    }

    /// Sends a cell's next packet, and sets the time of the one after it.
    private func send(_ index: Int) {
        let cell = cells[index]
        guard let target = targets[cell.target] else { return }
        let time = now
        var packet = makePacket(index, time)
        var failure = sendPacket(index, &packet, target)
        if failure != 0, failure != EAGAIN, failure != ENOBUFS {
            // The failure may be an ICMP error about another target of this socket. It is in the socket's error queue
            // now, so the packet is sent again.
            drainErrors(cell.socket)
            if cells[index].outcome != nil { return }
            failure = sendPacket(index, &packet, target)
        }
        if failure == EAGAIN || failure == ENOBUFS { return deferCell(index) }
        // A refusal before any answer is the cell's outcome. After an answer, it is one packet that was lost.
        if failure != 0, cell.answered == 0 { return finish(index, ProbeOutcome(sendError: failure)) }
        if cell.sent == 0 { cells[index].firstSent = time }
        cells[index].lastSent = time
        cells[index].sent += 1
        cells[index].localPort = localPort(cell)
        if isTrain, cells[index].sent < UInt16(plan.count) {
            timers.add(time + Int64(plan.intervalMillis) * 1000, index)
        } else if !isTrain, cells[index].sent < 3 {
            timers.add(time + deadline * 3 / 10, index)
        }
    }

    func makePacket(_ index: Int, _ time: Int64) -> node_probe_packet {
        let cell = cells[index]
        var packet = node_probe_packet()
        packet.plan = plan.id
        packet.magic = NODE_PROBE_MAGIC
        packet.source = UInt32(truncatingIfNeeded: plan.sources[cell.source].index)
        packet.target = UInt32(truncatingIfNeeded: plan.targets[cell.target].index)
        packet.cell = UInt32(index)
        packet.sequence = cell.sent
        packet.protocol = cell.code.rawValue
        packet.sent_micros = UInt32(truncatingIfNeeded: time)
        return packet
    }

    private func sendPacket(_ index: Int, _ packet: inout node_probe_packet, _ target: node_endpoint) -> Int32 {
        let cell = cells[index]
        guard let socket = sockets[cell.socket] else { return EBADF }
        if cell.code == .udp { return socket.send(&packet, datagramTo: target) }
        return socket.send(&packet, echoTo: target, sequence: echoes[cell.source].take(index))
    }

    private func localPort(_ cell: ProbeCell) -> UInt16 {
        let socket = sockets[cell.socket]
        return (cell.code == .udp ? socket?.datagramPort : socket?.echoIdentifier) ?? 0
    }

    // MARK: Results

    func finish(_ index: Int, _ outcome: ProbeOutcome) {
        guard cells[index].outcome == nil else { return }
        cells[index].outcome = outcome
        remaining -= 1
        if cells[index].isYoung {
            cells[index].isYoung = false
            youngCount -= 1
        }
        if cells[index].descriptor >= 0 {
            close(cells[index].descriptor)
            cells[index].descriptor = -1
            openConnections -= 1
        }
    }

    /// Notes an answer to a packet. With the answer to its last packet, the cell ends.
    func noteAnswer(_ index: Int, _ packet: node_probe_packet, seen: SeenAddress?) {
        guard cells[index].outcome == nil,
            cells[index].answer(sequence: packet.sequence, isTrain: isTrain && cells[index].code != .tcp)
        else { return }
        let micros = UInt32(truncatingIfNeeded: now) &- packet.sent_micros
        cells[index].roundTrip = min(cells[index].roundTrip, micros)
        if let seen { cells[index].seen = seen }
        smoothedRoundTrip += (Int64(micros) - smoothedRoundTrip) / 8
        if cells[index].code == .tcp || Int(cells[index].answered) >= plan.count { finish(index, .open) }
    }

    private func report() -> (summary: ProbeSummary, results: [ProbeResult]) {
        let elapsed = now
        var longest: UInt32 = 0
        let results = cells.map { cell in
            if cell.answered > 0 { longest = max(longest, cell.roundTrip) }
            return ProbeResult(
                sourceIndex: UInt32(truncatingIfNeeded: plan.sources[cell.source].index),
                targetIndex: UInt32(truncatingIfNeeded: plan.targets[cell.target].index), protocol: cell.code,
                outcome: cell.finalOutcome(count: plan.count),
                roundTripMicros: cell.answered > 0 ? cell.roundTrip : 0, sent: cell.sent, answered: cell.answered,
                localPort: cell.localPort, seen: cell.seen)
        }
        let summary = ProbeSummary(
            count: results.count, elapsedMicros: Int(elapsed), longestRoundTripMicros: Int(longest))
        return (summary, results)
    }
}
