import CloudAPI
import DatapathOptions
import LinuxKernel
import NetAddress
import Netlink
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Keeps as many free addresses of the cloud's interfaces as the options ask for. It waits for the cloud's answers on a
/// thread of its own and without the agent's lock, so that pods come and go meanwhile.
final class InterfaceKeeper: Sendable {
    /// How often the cloud is asked when nothing happens.
    private static let idle = Duration.seconds(15)
    /// How long addresses must stay above the watermark before they are given back.
    static let releaseDelay = Duration.seconds(15)
    private static let shortestBackoff = Duration.milliseconds(500)
    private static let longestBackoff = Duration.seconds(15)
    /// How long a card that was plugged in may take to appear in the node.
    private static let cardPatience = Duration.seconds(15)

    private let agent: Agent
    private let options: DatapathOptions.ENI
    private let client = CloudClient()
    /// Is written to when pods came or went.
    private let wakeup: Pipe

    init(_ agent: Agent) throws {
        self.agent = agent
        options = agent.settings.options.eni
        wakeup = try Pipe()
        for end in [wakeup.readEnd.rawValue, wakeup.writeEnd.rawValue] {
            try check("fcntl") { fcntl(end, F_SETFL, O_NONBLOCK) }
        }
    }

    /// Makes the keeper ask the cloud soon. It never blocks.
    func wake() {
        var byte: UInt8 = 1
        // A full pipe wakes the reader as well.
        _ = write(wakeup.writeEnd.rawValue, &byte, 1)
    }

    func start() { startThread("eni") { self.run() } }

    private struct Memory {
        var usesPrefixes: Bool
        /// The time since which there are more addresses than the watermark; nil if there are not.
        var excessSince: MonotonicTime?
        var backoff = InterfaceKeeper.shortestBackoff
        var lastFailure = ""
    }

    private func run() {
        var memory = Memory(usesPrefixes: options.awsEnablePrefixDelegation)
        while true {
            let pause: Duration
            do {
                pause = try turn(&memory)
                memory.backoff = Self.shortestBackoff
                memory.lastFailure = ""
            } catch {
                pause = memory.backoff
                memory.backoff = min(memory.backoff * 2, Self.longestBackoff)
                let text = "\(error)"
                if text != memory.lastFailure { Log.warning("no addresses from the cloud", ["error": text]) }
                memory.lastFailure = text
                try? agent.withCore { core in core.pool.withInterfaces { $0.failure = text } }
            }
            let deadline = Deadline.after(pause)
            // A wake-up does not shorten the pause after a failure, because the cloud limits how often it may be asked.
            let isFailing = !memory.lastFailure.isEmpty
            let pipe = wakeup.readEnd.rawValue
            while (try? waitUntilReady(pipe, events: Int16(POLLIN), until: deadline)) == true {
                var bytes = [UInt8](repeating: 0, count: 64)
                _ = read(pipe, &bytes, bytes.count)
                if !isFailing { break }
            }
        }
    }

    /// Asks the cloud once, and acts on the answer.
    ///
    /// - Returns: The time to wait before the next question.
    private func turn(_ memory: inout Memory) throws -> Duration {
        let netlink = try NetlinkSocket()
        let instance = try settle(try client.describe(), netlink)
        let (inUse, refused) = try agent.withCore { core -> (Set<IPv4Address>, Int) in
            try core.take(instance)
            let pool = core.pool.interfacePool
            core.pool.withInterfaces { $0.noteAsked() }
            return (pool?.addressesInUse ?? [], pool?.refused ?? 0)
        }
        let mayRelease = options.awsReleaseExcessIPs
        let isDue = memory.excessSince.map { MonotonicTime.now.since($0) >= Self.releaseDelay } ?? false
        let decision = InterfacePlan.next(
            instance, inUse: inUse, refused: refused, options: options, usesPrefixes: memory.usesPrefixes,
            releases: mayRelease)
        try agent.withCore { core in
            core.pool.withInterfaces { pool in
                if pool.limit == nil, let limit = decision.limit {
                    Log.warning("the cloud gives no more addresses", ["limit": limit, "in use": "\(pool.inUse)"])
                }
                pool.limit = decision.limit
                pool.failure = nil
            }
        }
        if case .unassign = decision.step {
            if memory.excessSince == nil { memory.excessSince = .now }
            guard isDue else { return .seconds(1) }
        } else {
            memory.excessSince = nil
        }
        if decision.step == .nothing { return Self.idle }
        do {
            try carryOut(decision.step)
        } catch let failure as CloudFailure where failure.code == .insufficientCidrBlocks {
            // A fragmented subnet may still have single addresses. Cilium's operator does the same.
            Log.warning("no prefix to be had, asking for single addresses", ["error": "\(failure)"])
            memory.usesPrefixes = false
        }
        return .zero
    }

    /// Waits until every attached card is in the node and up.
    private func settle(_ instance: CloudInstance, _ netlink: borrowing NetlinkSocket) throws -> CloudInstance {
        let deadline = Deadline.after(Self.cardPatience)
        // Listening starts before the first look, so that no card is missed between the two.
        let events = try LinkEvents()
        var missing = try InterfaceLinks.prepare(instance, netlink)
        while !missing.isEmpty {
            guard try events.wait(until: deadline) else {
                throw DatapathError.kernel("the card of \(missing.joined(separator: ", ")) did not appear in the node")
            }
            missing = try InterfaceLinks.prepare(instance, netlink)
        }
        return instance
    }

    private func carryOut(_ step: InterfacePlan.Step) throws {
        switch step {
        case .nothing: break
        case .assign(let interface, let count):
            _ = try client.ask(
                CloudRequest(.assignPrivateIpAddresses, networkInterfaceID: interface, count: count))
            Log.info("addresses assigned", ["interface": interface, "count": "\(count)"])
        case .assignPrefixes(let interface, let count):
            _ = try client.ask(
                CloudRequest(.assignPrivateIpAddresses, networkInterfaceID: interface, prefixCount: count))
            Log.info("prefixes delegated", ["interface": interface, "count": "\(count)"])
        case .attach(let count, let prefixes): try attach(count, prefixes)
        case .unassign(let interface, let addresses, let prefixes):
            try unassign(interface, addresses, prefixes)
        }
    }

    private func attach(_ count: Int, _ prefixes: Int) throws {
        let made = try client.ask(CloudRequest(.createNetworkInterface, count: count, prefixCount: prefixes)).interface
        guard let made else { throw CloudFailure(.internalError, "the cloud made no interface") }
        do {
            _ = try client.ask(CloudRequest(.attachNetworkInterface, networkInterfaceID: made.id))
        } catch {
            // Nobody would use the interface's addresses.
            _ = try? client.ask(CloudRequest(.deleteNetworkInterface, networkInterfaceID: made.id))
            throw error
        }
        Log.info(
            "network interface attached",
            ["interface": made.id, "mac": made.mac, "addresses": "\(count)", "prefixes": "\(prefixes)"])
    }

    /// Gives addresses back. They are withheld meanwhile, so that no pod gets one.
    private func unassign(_ interface: String, _ addresses: [String], _ prefixes: [String]) throws {
        let singles = Set(addresses.compactMap { IPv4Address($0) })
        let ranges = prefixes.compactMap { IPv4CIDR($0) }
        let isKept = try agent.withCore { core in
            core.pool.withInterfaces { pool in
                let delegated = pool.interfaces.flatMap(\.addresses).filter { address in
                    ranges.contains { $0.contains(address) }
                }
                return pool.withhold(singles.union(delegated))
            } ?? false
        }
        guard isKept else { return }
        defer { try? agent.withCore { core in core.pool.withInterfaces { $0.endWithholding() } } }
        _ = try client.ask(
            CloudRequest(
                .unassignPrivateIpAddresses, networkInterfaceID: interface, addresses: addresses, prefixes: prefixes))
        let instance = try client.describe()
        try agent.withCore { core in try core.take(instance) }
        Log.info(
            "addresses released",
            ["interface": interface, "addresses": "\(addresses.count)", "prefixes": "\(prefixes.count)"])
    }
}
