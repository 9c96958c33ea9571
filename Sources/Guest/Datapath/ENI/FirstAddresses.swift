import AgentAPI
import CloudAPI
import CNI
import Files
import LinuxKernel
import NetAddress

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The addresses of the router and of the health endpoint, without which a node with `ipam.mode: eni` has no datapath.
/// They are stored, so that a restart uses the same ones.
struct FirstAddresses: Codable, Sendable, Equatable {
    var router: String
    var health: String

    /// What the agent needs in order to start.
    struct Start: Sendable {
        let instance: CloudInstance
        let router: IPv4Address
        let health: IPv4Address
    }

    /// Chooses the addresses: those of the last start if the node still has them, or else the first two that no
    /// endpoint has. It is pure.
    ///
    /// - Returns: Nil if there are too few.
    static func choose(_ known: FirstAddresses?, taken: Set<IPv4Address>, _ instance: CloudInstance, from first: Int)
        -> (router: IPv4Address, health: IPv4Address)?
    {
        let interfaces = InterfacePool.interfaces(of: instance, from: first)
        if let known, let router = IPv4Address(known.router), let health = IPv4Address(known.health),
            router != health,
            [router, health].allSatisfy({ address in interfaces.contains { $0.addresses.contains(address) } })
        {
            return (router, health)
        }
        let free = interfaces.flatMap { $0.addresses.subtracting(taken).sorted() }
        return free.count >= 2 ? (free[0], free[1]) : nil
    }

    /// Obtains what a start needs, and asks the cloud until it has answered.
    ///
    /// - Parameter signals: Is readable when the process is to end.
    ///
    /// - Returns: Nil if the process is to end.
    ///
    /// - Throws: The cloud's failure, after the deadline or if the instance type has no room for the two addresses.
    static func obtain(_ config: AgentConfig, until deadline: Deadline, signals: Int32) throws -> Start? {
        let client = CloudClient()
        let path = config.statePath + "/eni-addresses.json"
        let known = try AtomicFile.read(path).flatMap { try? JSONDecoder().decode(FirstAddresses.self, from: Data($0)) }
        let taken = Set(
            try StateStore(directory: config.statePath).loadEndpoints().compactMap { IPv4Address($0.address) })
        let options = config.options.eni
        let first = options.nodeSpec.firstInterfaceIndex
        while true {
            do {
                let instance = try client.describe()
                if let (router, health) = choose(known, taken: taken, instance, from: first) {
                    let chosen = FirstAddresses(router: router.description, health: health.description)
                    if chosen != known { try AtomicFile.write(CNIText.encode(chosen) + "\n", to: path) }
                    return Start(instance: instance, router: router, health: health)
                }
                try more(instance, first, options.awsEnablePrefixDelegation, client)
            } catch {
                if deadline.hasPassed || error is DatapathError { throw error }
                Log.warning("waiting for addresses from the cloud", ["error": "\(error)"])
                let pause = Deadline.after(.milliseconds(500))
                if try waitUntilReady(signals, events: Int16(1), until: pause) { return nil }
            }
        }
    }

    /// Asks for the missing addresses, on the interface that comes first.
    private static func more(_ instance: CloudInstance, _ first: Int, _ prefixes: Bool, _ client: CloudClient) throws {
        let slots = instance.limits.addressesPerInterface - 1
        let roomy = instance.interfaces.first {
            ($0.deviceIndex ?? -1) >= first && slots > $0.secondaryAddresses.count + $0.prefixes.count
        }
        if let roomy {
            let free = slots - roomy.secondaryAddresses.count - roomy.prefixes.count
            _ = try client.ask(
                CloudRequest(
                    .assignPrivateIpAddresses, networkInterfaceID: roomy.id, count: prefixes ? nil : min(2, free),
                    prefixCount: prefixes ? 1 : nil))
            return
        }
        guard instance.interfaces.count < instance.limits.interfaces, slots > 0 else {
            throw DatapathError.interfacesExhausted(inUse: 0, limit: InterfacePlan.limit(of: instance))
        }
        let made = try client.ask(
            CloudRequest(
                .createNetworkInterface, count: prefixes ? nil : min(2, slots), prefixCount: prefixes ? 1 : nil))
        _ = try client.ask(CloudRequest(.attachNetworkInterface, networkInterfaceID: made.interface?.id))
    }
}
