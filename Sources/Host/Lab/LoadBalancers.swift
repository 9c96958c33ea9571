import CloudAPI
import LinuxKernel
import NetAddress
import Scenario
import Synchronization
import VPCServices

/// The cloud's load balancers: forwarders at one address of the VPC, a port each, and checks of their targets' health.
actor LoadBalancers {
    /// What a forwarder reads while it serves.
    private final class Balancer: Sendable {
        let state: Mutex<CloudLoadBalancer>
        init(_ balancer: CloudLoadBalancer) { state = Mutex(balancer) }

        /// The healthy targets of a listener.
        func targets(of end: End) -> [ForwardTarget] {
            state.withLock { balancer in
                guard let listener = balancer.listeners.first(where: { End($0) == end }) else { return [] }
                return balancer.targets.filter { $0.isHealthy == true }.compactMap { target in
                    IPv4Address(target.address).map { ForwardTarget(address: $0, port: listener.targetPort) }
                }
            }
        }
    }

    /// What a listener takes from the address.
    private struct End: Hashable, Comparable, CustomStringConvertible {
        let port: UInt16
        let transport: CloudLoadBalancer.Listener.Transport

        init(_ listener: CloudLoadBalancer.Listener) { (port, transport) = (listener.port, listener.transport) }

        var description: String { "\(transport.rawValue) \(port)" }
        static func < (one: Self, other: Self) -> Bool {
            (one.port, one.transport.rawValue) < (other.port, other.transport.rawValue)
        }
    }

    private enum Forwarder {
        case tcp(TCPForwarder)
        case udp(UDPForwarder)

        func stop() {
            switch self {
            case .tcp(let forwarder): forwarder.stop()
            case .udp(let forwarder): forwarder.stop()
            }
        }
    }

    private let address: String
    private let namespacePath: String
    private var balancers: [String: Balancer] = [:]
    private var forwarders: [String: [End: Forwarder]] = [:]
    private var checks: Task<Void, Never>?

    private static let mostBalancers = 64
    private static let mostListeners = 16
    private static let mostTargets = 128
    /// The time between two checks of a target, and what one may take.
    private static let interval = Duration.seconds(2)
    private static let patience = Duration.seconds(1)

    init(_ plan: LabPlan, namespace path: String) throws(LabError) {
        guard let place = plan.profile.balancerPlace else {
            throw LabError(.plan, "lab \(plan.profile.name) has no address for load balancers")
        }
        address = place.address.description
        namespacePath = path
    }

    var all: [CloudLoadBalancer] {
        balancers.values.map { $0.state.withLock { $0 } }.sorted { $0.name < $1.name }
    }

    /// Makes a balancer, or changes one. Targets that it had keep their health.
    func put(_ wanted: CloudLoadBalancer) throws -> CloudLoadBalancer {
        guard !wanted.name.isEmpty, wanted.name.utf8.count <= 64, wanted.listeners.count <= Self.mostListeners,
            wanted.targets.count <= Self.mostTargets, wanted.targets.allSatisfy({ IPv4Address($0.address) != nil }),
            balancers[wanted.name] != nil || balancers.count < Self.mostBalancers
        else { throw CloudFailure(.invalidParameterValue, "the load balancer has no name, or too much of something") }
        let before = balancers[wanted.name]?.state.withLock { $0 }
        var new = wanted
        new.address = address
        for index in new.targets.indices {
            let old = before?.targets.first { $0.address == new.targets[index].address }
            new.targets[index].isHealthy = before?.listeners == new.listeners ? old?.isHealthy : nil
        }
        let balancer = balancers[wanted.name] ?? Balancer(new)
        try listen(new, balancer)
        balancer.state.withLock { $0 = new }
        balancers[wanted.name] = balancer
        if checks == nil {
            checks = Task { [weak self] in
                while !Task.isCancelled {
                    guard let self else { return }
                    await self.check()
                    try? await Task.sleep(for: Self.interval)
                }
            }
        }
        return new
    }

    private func listen(_ wanted: CloudLoadBalancer, _ balancer: Balancer) throws {
        var own = forwarders[wanted.name] ?? [:]
        let ends = Set(wanted.listeners.map(End.init))
        var made: [End: Forwarder] = [:]
        do {
            for end in ends.sorted() where own[end] == nil { made[end] = try forwarder(at: end, balancer) }
        } catch {
            for forwarder in made.values { forwarder.stop() }
            throw CloudFailure(
                .invalidParameterValue,
                "\(ends.sorted()) of \(address) cannot be had, all load balancers share it: \(error)")
        }
        for (end, forwarder) in own where !ends.contains(end) {
            forwarder.stop()
            own[end] = nil
        }
        forwarders[wanted.name] = own.merging(made) { $1 }
    }

    private func forwarder(at end: End, _ balancer: Balancer) throws -> Forwarder {
        let targets: @Sendable () -> [ForwardTarget] = { balancer.targets(of: end) }
        let name = "balancer \(end.port)"
        return switch end.transport {
        case .tcp:
            .tcp(try TCPForwarder(name, port: end.port, namespacePath: namespacePath, targets: targets))
        case .udp:
            .udp(try UDPForwarder(name, port: end.port, namespacePath: namespacePath, targets: targets))
        }
    }

    func delete(_ name: String) {
        balancers[name] = nil
        for forwarder in forwarders.removeValue(forKey: name)?.values.map({ $0 }) ?? [] { forwarder.stop() }
    }

    func stop() {
        checks?.cancel()
        for name in forwarders.keys.map({ $0 }) { delete(name) }
    }

    /// Asks all targets for their health, side by side.
    private func check() async {
        for balancer in balancers.values {
            let now = balancer.state.withLock { $0 }
            guard !now.listeners.isEmpty else { continue }
            let port =
                now.healthPort ?? now.listeners.first { $0.transport == .tcp }?.targetPort
                ?? CloudLoadBalancer.kubeletPort
            let isHTTP = now.healthPort != nil
            let path = namespacePath
            let health = await withTaskGroup(of: (String, Bool).self) { group in
                for target in now.targets {
                    group.addTask {
                        (target.address, await Self.isHealthy(target.address, port, isHTTP: isHTTP, path))
                    }
                }
                return await group.reduce(into: [String: Bool]()) { $0[$1.0] = $1.1 }
            }
            balancer.state.withLock { state in
                for index in state.targets.indices {
                    if let known = health[state.targets[index].address] { state.targets[index].isHealthy = known }
                }
            }
        }
    }

    private static func isHealthy(_ address: String, _ port: UInt16, isHTTP: Bool, _ path: String) async -> Bool {
        guard let address = IPv4Address(address) else { return false }
        let target = ForwardTarget(address: address, port: port)
        let asked = try? await onOwnThread("health") {
            let deadline = Deadline.after(patience)
            if isHTTP { return TCPConnect.isHealthy(target, namespacePath: path, until: deadline) }
            _ = try TCPConnect.open(target, namespacePath: path, until: deadline)
            return true
        }
        return asked ?? false
    }
}
