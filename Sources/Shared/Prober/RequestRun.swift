import CNodeShim
import Glibc
import LinuxKernel
import NodeProtocol

/// Makes all requests of a plan at the same time, with one thread and one epoll. Each has the plan's deadline for
/// itself.
package final class RequestRun {
    /// How often a DNS query is sent that gets no answer.
    static let attempts: UInt16 = 3

    private struct Pending {
        let request: ProbeRequest
        var descriptor: Int32 = -1
        var begun: Int64 = 0
        var isConnected = false
        var received: [UInt8] = []
        var query: DNSQuery?
        var sent: UInt16 = 0
        var localPort: UInt16 = 0
        var seen: SeenAddress?
        var outcome: ProbeOutcome?
        var roundTrip: Int64 = 0
        var answered: UInt16 = 0
    }

    private let plan: ProbePlan
    private let namespaces: NamespaceThread
    private let epoll: FileDescriptor
    private let start = MonotonicTime.now
    private let deadline: Int64
    private var pending: [Pending]

    package init(_ plan: ProbePlan, namespacePath: @escaping (PodReference) -> String) throws {
        self.plan = plan
        namespaces = NamespaceThread(path: namespacePath)
        epoll = FileDescriptor(owning: try check("epoll_create1") { node_epoll_create() })
        deadline = Int64(plan.deadlineMillis) * 1000
        pending = plan.requests.map { Pending(request: $0) }
    }

    deinit {
        for one in pending where one.descriptor >= 0 { close(one.descriptor) }
    }

    /// The microseconds since the start.
    private var now: Int64 { (MonotonicTime.now.nanoseconds - start.nanoseconds) / 1000 }

    /// Makes the requests. The calling thread is left in some network namespace, so it must be a thread of its own.
    package func run() -> [ProbeResult] {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        for index in pending.indices { begin(index) }
        while let next = due() {
            let wait = Int32(max(0, min(60_000, (next - now + 999) / 1000)))
            let count = node_epoll_wait(epoll.rawValue, &events, Int32(events.count), wait)
            for event in 0..<Int(max(0, count)) {
                let index = Int(node_epoll_tag(&events[event]))
                if pending.indices.contains(index), pending[index].outcome == nil {
                    handle(index, events[event].events)
                }
            }
            expire()
        }
        return pending.map { result(of: $0) }
    }

    /// The time of the next query to repeat or request to give up. Nil when all requests have ended.
    private func due() -> Int64? {
        pending.lazy.filter { $0.outcome == nil }.map { one in
            one.query != nil && one.sent < Self.attempts
                ? one.begun + Int64(one.sent) * self.deadline * 3 / 10 : one.begun + self.deadline
        }.min()
    }

    private func expire() {
        let time = now
        for index in pending.indices where pending[index].outcome == nil {
            let one = pending[index]
            if one.begun + deadline <= time {
                finish(index, .timeout(error: 0))
            } else if one.query != nil, one.sent < Self.attempts,
                one.begun + Int64(one.sent) * deadline * 3 / 10 <= time
            {
                sendQuery(index)
            }
        }
    }

    // MARK: Sending

    private func begin(_ index: Int) {
        let request = pending[index].request
        pending[index].begun = now
        guard let target = node_endpoint(request.target) else {
            return finish(index, .notMeasured(error: UInt16(EINVAL)))
        }
        do {
            try namespaces.enter(request.source.pod)
            if case .dns(let name) = request.question {
                try beginQuery(index, name)
            } else {
                try beginConnection(index, target)
            }
        } catch let error as SystemError {
            finish(index, .notMeasured(error: UInt16(truncatingIfNeeded: error.code)))
        } catch {
            finish(index, .notMeasured(error: 0))
        }
    }

    private func beginConnection(_ index: Int, _ target: node_endpoint) throws {
        let descriptor = try check("socket", "tcp") { node_tcp_client() }
        pending[index].descriptor = descriptor
        pending[index].sent = 1
        if node_tcp_connect(descriptor, target) != 0, errno != EINPROGRESS {
            return finish(index, ProbeOutcome(sendError: errno))
        }
        pending[index].localPort = UInt16(truncatingIfNeeded: node_local_port(descriptor))
        try watch(index, EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLET.rawValue)
    }

    private func beginQuery(_ index: Int, _ name: String) throws {
        let nonce = String(UInt64.random(in: 0 ... .max), radix: 36)
        let full = name.hasSuffix(".") ? String(name.dropLast()) : name
        let query = DNSQuery(
            identifier: .random(in: 0 ... .max), name: Self.replacing("{nonce}", in: full, with: nonce))
        guard query.bytes != nil else { return finish(index, .notMeasured(error: UInt16(EINVAL))) }
        let descriptor = try check("socket", "udp") { node_udp_socket(0) }
        pending[index].descriptor = descriptor
        pending[index].query = query
        pending[index].localPort = UInt16(truncatingIfNeeded: node_local_port(descriptor))
        try watch(index, EPOLLIN.rawValue)
        sendQuery(index)
    }

    private static func replacing(_ part: String, in text: String, with other: String) -> String {
        var out = ""
        var rest = Substring(text)
        while let first = rest.first {
            if rest.hasPrefix(part) {
                out += other
                rest = rest.dropFirst(part.count)
            } else {
                out.append(first)
                rest = rest.dropFirst()
            }
        }
        return out
    }

    private func watch(_ index: Int, _ interest: UInt32) throws {
        let descriptor = pending[index].descriptor
        try check("epoll_ctl", "request") { node_epoll_add(epoll.rawValue, descriptor, interest, UInt64(index)) }
    }

    private func sendQuery(_ index: Int) {
        let one = pending[index]
        guard let bytes = one.query?.bytes, let target = node_endpoint(one.request.target) else { return }
        pending[index].sent += 1
        guard node_send(one.descriptor, bytes, bytes.count, target) < 0 else { return }
        let code = errno
        // A full queue empties again, and the next attempt comes before the deadline.
        if code != EAGAIN, code != ENOBUFS { finish(index, ProbeOutcome(sendError: code)) }
    }

    // MARK: Answers

    private func handle(_ index: Int, _ events: UInt32) {
        if pending[index].query != nil {
            receiveAnswer(index)
        } else {
            handleConnection(index, events)
        }
    }

    private func receiveAnswer(_ index: Int) {
        let one = pending[index]
        guard let query = one.query, let target = node_endpoint(one.request.target) else { return }
        var error = node_queued_error()
        while node_next_error(one.descriptor, &error) != 0 {
            if let outcome = ProbeOutcome(error, target: target, code: .udp) { return finish(index, outcome) }
        }
        var buffer = [UInt8](repeating: 0, count: 4096)
        var from = node_endpoint()
        var local = node_endpoint()
        while true {
            let count = node_receive(one.descriptor, &buffer, buffer.count, &from, &local)
            guard count >= 0 else { return }
            // A resolver takes an answer from the server that it asked and from nobody else.
            guard from == target, let answer = query.read(Array(buffer[..<count])) else { continue }
            let isGood = answer.code == 0 && !answer.addresses.isEmpty
            return finish(index, isGood ? .open : .dnsFailure(code: answer.code), answered: true)
        }
    }

    private func handleConnection(_ index: Int, _ events: UInt32) {
        let one = pending[index]
        let failure = node_socket_error(one.descriptor)
        if failure != 0 { return finish(index, connectionFailure(one, failure)) }
        if !one.isConnected {
            guard events & EPOLLOUT.rawValue != 0 else { return }
            pending[index].isConnected = true
            guard case .http(let method, let path, let headers) = one.request.question else {
                return finish(index, .open, answered: true)
            }
            let bytes = HTTPProbe.request(
                method: method, path: path, headers: headers,
                host: "\(one.request.target.address):\(one.request.target.port)", nonce: nonce(one))
            if send(one.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) != bytes.count {
                return finish(index, .reset)
            }
        }
        if events & (EPOLLIN.rawValue | EPOLLHUP.rawValue) != 0 { receiveResponse(index) }
    }

    private func connectionFailure(_ one: Pending, _ code: Int32) -> ProbeOutcome {
        if one.isConnected { return code == ETIMEDOUT ? .timeout(error: 0) : .reset }
        var error = node_queued_error()
        let target = node_endpoint(one.request.target) ?? node_endpoint()
        while node_next_error(one.descriptor, &error) != 0 {
            if let outcome = ProbeOutcome(error, target: target, code: .tcp) { return outcome }
        }
        return ProbeOutcome(sendError: code)
    }

    private func receiveResponse(_ index: Int) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(pending[index].descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { return errno == EAGAIN ? () : finish(index, .reset) }
            if count == 0 { return finish(index, .reset) }
            pending[index].received += buffer[..<count]
            switch HTTPProbe.read(pending[index].received, nonce: nonce(pending[index])) {
            case .incomplete: continue
            case .broken: return finish(index, .reset)
            case .answer(let status, let seen):
                pending[index].seen = seen
                return finish(index, .http(status: status), answered: true)
            }
        }
    }

    private func nonce(_ one: Pending) -> String { "\(plan.id)-\(one.request.index)" }

    // MARK: Results

    private func finish(_ index: Int, _ outcome: ProbeOutcome, answered: Bool = false) {
        pending[index].outcome = outcome
        if answered {
            pending[index].answered = 1
            pending[index].roundTrip = now - pending[index].begun
        }
        if pending[index].descriptor >= 0 { close(pending[index].descriptor) }
        pending[index].descriptor = -1
    }

    private func result(of one: Pending) -> ProbeResult {
        let code: ProbeProtocolCode =
            switch one.request.question {
            case .connect: .tcp
            case .dns: .dns
            case .http: .http
            }
        return ProbeResult(
            sourceIndex: UInt32(truncatingIfNeeded: one.request.source.index),
            targetIndex: UInt32(truncatingIfNeeded: one.request.target.index), protocol: code,
            outcome: one.outcome ?? .notMeasured(error: 0),
            roundTripMicros: UInt32(truncatingIfNeeded: max(0, one.roundTrip)), sent: one.sent, answered: one.answered,
            localPort: one.localPort, seen: one.seen, request: UInt32(truncatingIfNeeded: one.request.index))
    }
}
