import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

/// Sends ICMP echo requests to many addresses at once, over one raw socket.
enum EchoProber {
    /// The number of requests to each address: a single lost packet must not make a node unreachable.
    private static let attempts = 3

    /// Returns the round-trip time in microseconds of each address that answered before the deadline, and nil for the
    /// others.
    static func probe(_ targets: [IPv4Address], deadline: Duration) throws(SystemError) -> [Int?] {
        let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = FileDescriptor(
            owning: try check("socket", "ICMP") { Glibc.socket(AF_INET, type, Int32(IPPROTO_ICMP)) })
        var round = Round(targets: targets, identifier: .random(in: 1...UInt16.max), nonce: .random(in: 0...UInt64.max))
        let start = MonotonicTime.now
        let step = Duration.nanoseconds(deadline.wholeNanoseconds / Int64(attempts))
        for attempt in 0..<attempts where !round.isComplete {
            round.send(attempt: attempt, socket.rawValue)
            let until = attempt + 1 == attempts ? start + deadline : start + step * (attempt + 1)
            try round.collect(until: Deadline(at: until), socket)
        }
        return round.latencies
    }

    private struct Round {
        let targets: [IPv4Address]
        let identifier: UInt16
        let nonce: UInt64
        var latencies: [Int?]
        /// The time of each attempt, by target.
        var sent: [[MonotonicTime]]

        init(targets: [IPv4Address], identifier: UInt16, nonce: UInt64) {
            self.targets = targets
            self.identifier = identifier
            self.nonce = nonce
            latencies = Array(repeating: nil, count: targets.count)
            sent = Array(repeating: [], count: targets.count)
        }

        var isComplete: Bool { !latencies.contains(nil) }

        mutating func send(attempt: Int, _ socket: Int32) {
            for (index, target) in targets.enumerated() where latencies[index] == nil {
                let message = ICMPEcho.request(
                    identifier: identifier, sequence: UInt16(truncatingIfNeeded: index), nonce: nonce,
                    attempt: UInt8(attempt))
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_addr.s_addr = target.networkByteOrder
                sent[index].append(.now)
                // If the kernel refuses to send (no route, no buffer), there is no answer, which is then the result.
                _ = withUnsafePointer(to: address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(socket, message, message.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
        }

        mutating func collect(until deadline: Deadline, _ socket: borrowing FileDescriptor) throws(SystemError) {
            while !isComplete, try waitUntilReady(socket.rawValue, events: Int16(POLLIN), until: deadline) {
                do throws(SystemError) {
                    take(try socket.read(upTo: 2048))
                } catch {
                    // This was an ICMP error queued on the socket, or there is nothing left to read.
                    if error.code == EBADF { throw error }
                }
            }
        }

        private mutating func take(_ packet: [UInt8]) {
            let now = MonotonicTime.now
            guard let reply = ICMPEcho.reply(in: packet), reply.identifier == identifier, reply.nonce == nonce,
                targets.indices.contains(Int(reply.sequence))
            else { return }
            let index = Int(reply.sequence)
            let attempt = Int(reply.attempt)
            guard latencies[index] == nil, targets[index].rawValue == reply.source,
                sent[index].indices.contains(attempt)
            else { return }
            latencies[index] = Int(now.since(sent[index][attempt]).wholeNanoseconds / 1000)
        }
    }
}
