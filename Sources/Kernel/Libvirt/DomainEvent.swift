import CLibvirt

/// A change in a domain's life, as libvirt saw it.
public struct DomainEvent: Sendable, Hashable {
    /// Why a domain stopped (`virDomainEventStoppedDetailType`).
    public enum StopReason: Int32, Sendable, Hashable {
        /// The guest powered off, or rebooted with `RebootAction.destroy` (a panic with `panic=-1` does).
        case shutdown = 0
        /// `Domain.destroy` was called.
        case destroyed = 1
        /// The guest panicked and its pvpanic driver said so.
        case crashed = 2
        case migrated = 3
        case saved = 4
        /// QEMU failed or was killed.
        case failed = 5
        case fromSnapshot = 6
        /// A reason that this libvirt has and this code does not know.
        case unknown = -1
    }

    public enum Kind: Sendable, Hashable {
        case started, suspended, resumed
        case stopped(StopReason)
        /// The machine was reset: by `Domain.reset`, or by the guest itself, as after a panic with `panic=-1`.
        case rebooted
        /// The guest's kernel panicked and its pvpanic driver reported it. The domain stops next.
        case crashed
        /// The guest is powering off.
        case shutdown
        /// The guest has released a device, named by its alias, and it is unplugged.
        case deviceRemoved(String)
        /// Another lifecycle event, with its libvirt number.
        case other(Int32)
    }

    /// The domain's name.
    public let domain: String
    public let kind: Kind

    public init(domain: String, kind: Kind) {
        self.domain = domain
        self.kind = kind
    }

    init(domain: String, event: Int32, detail: Int32) {
        self.domain = domain
        switch virDomainEventType(UInt32(bitPattern: event)) {
        case VIR_DOMAIN_EVENT_STARTED: kind = .started
        case VIR_DOMAIN_EVENT_SUSPENDED: kind = .suspended
        case VIR_DOMAIN_EVENT_RESUMED: kind = .resumed
        case VIR_DOMAIN_EVENT_STOPPED: kind = .stopped(StopReason(rawValue: detail) ?? .unknown)
        case VIR_DOMAIN_EVENT_SHUTDOWN: kind = .shutdown
        case VIR_DOMAIN_EVENT_CRASHED: kind = .crashed
        default: kind = .other(event)
        }
    }
}
