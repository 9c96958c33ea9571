import AgentAPI
import LinuxKernel
import NetAddress
import Policy
import RequestProxy
import Synchronization

/// The node's cache of names. The DNS proxy, the policies and the code that renders events share it.
final class LearnedNames: Sendable {
    private let cache: Mutex<NameCache>
    /// The seconds for which an address is kept at least, whatever the answer said.
    private let shortestTime: UInt32
    /// Makes the agent take over an answer with something new; nil until the agent runs.
    private let takeOver = Mutex<(@Sendable (NameAnswer) throws -> Void)?>(nil)

    init(_ entries: [NameCache.Entry] = [], shortestTime: Int = 0) {
        cache = Mutex(NameCache(entries))
        self.shortestTime = UInt32(clamping: shortestTime)
    }

    func setTakeOver(_ body: @escaping @Sendable (NameAnswer) throws -> Void) { takeOver.withLock { $0 = body } }

    /// Takes over an answer of the proxy. It returns once the policies apply to the addresses.
    func learn(_ answer: NameAnswer, endpoint: UInt16) throws {
        let entries = entries(answer, endpoint)
        if cache.withLock({ $0.refresh(answer.name, entries) }) { return }
        guard let takeOver = takeOver.withLock({ $0 }) else { throw DatapathError.kernel("the agent is starting") }
        try takeOver(answer)
    }

    func insert(_ answer: NameAnswer, endpoint: UInt16) {
        let entries = entries(answer, endpoint)
        cache.withLock { $0.learn(answer.name, entries) }
    }

    private func entries(_ answer: NameAnswer, _ endpoint: UInt16) -> [IPv4Address: NameCache.Entry] {
        let now = Conntrack.now()
        return Dictionary(
            answer.addresses.map { item in
                let time = max(item.timeToLive, shortestTime)
                return (
                    item.address,
                    NameCache.Entry(
                        name: answer.name, address: item.address.description, timeToLive: item.timeToLive,
                        expires: now + Int(time), endpointID: endpoint)
                )
            }
        ) { $0.expires >= $1.expires ? $0 : $1 }
    }

    func hold(_ name: String) { cache.withLock { $0.hold(name) } }
    func expire(inUse: Set<IPv4Address>) -> Bool { cache.withLock { $0.expire(now: Conntrack.now(), inUse: inUse) } }
    func addresses(of patterns: Set<NamePattern>) -> [IPv4Address: Set<String>] {
        cache.withLock { $0.addresses(of: patterns) }
    }
    func names(of address: IPv4Address) -> [String] { cache.withLock { $0.names(of: address) } }
    var isEmpty: Bool { cache.withLock { $0.count == 0 } }
    var entries: [NameCache.Entry] { cache.withLock { $0.entries } }
}

extension ProxyFeature {
    /// Takes over an answer with an address that no policy knows yet: it is written to disk, then put into policies and
    /// maps.
    func learn(_ answer: NameAnswer, _ core: inout AgentCore) throws {
        let endpoint = core.endpoints.values.first { IPv4Address($0.address) == answer.connection.client }
        names.insert(answer, endpoint: endpoint?.id ?? 0)
        try core.store.save(names.entries)
        let patterns = PolicyCompiler.names(in: core.features.policy.state.units)
        if patterns.contains(where: { $0.matches(answer.name) }) { try core.enforcePolicies() }
        names.hold(answer.name)
    }

    /// The samples for `datapathd fqdn cache list`.
    func samples(_ core: borrowing AgentCore) -> [NameSample] {
        let now = Conntrack.now()
        let numbers = core.features.policy.state.ranges.numbers
        return names.entries.map { entry in
            NameSample(
                name: entry.name, address: entry.address, timeToLive: entry.timeToLive,
                secondsLeft: max(0, entry.expires - now), endpointID: entry.endpointID,
                identity: IPv4Address(entry.address).flatMap { numbers[IPv4CIDR(host: $0)] })
        }
    }
}
