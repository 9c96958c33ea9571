import FoundationEssentials

/// The subprotocols of Kubernetes' WebSocket streams (k8s.io/apiserver/pkg/util/wsstream): a message is a channel's
/// number and bytes for it.
struct ChannelProtocol: Sendable, Hashable {
    /// As in `Sec-WebSocket-Protocol`; empty for a client that names none.
    var name: String
    /// Messages are text: the channel's number as a digit, then base64.
    var isBase64: Bool
    /// The status channel has a `v1.Status`; before that, plain text for what failed.
    var hasStatusObject: Bool
    /// The client ends a channel with the message 255 and its number.
    var closesChannels: Bool

    /// What this server speaks, in the order of its preference. `v5` is what newer clients ask first; an API server of
    /// 1.30 or later takes it on itself, an older one passes it through to the kubelet.
    static let remoteCommand = [
        ChannelProtocol("v5.channel.k8s.io", closes: true), ChannelProtocol("v4.channel.k8s.io"),
        ChannelProtocol("v4.base64.channel.k8s.io", base64: true), ChannelProtocol("channel.k8s.io", status: false),
        ChannelProtocol("base64.channel.k8s.io", base64: true, status: false),
    ]
    static let portForward = [
        ChannelProtocol("v4.channel.k8s.io"), ChannelProtocol("v4.base64.channel.k8s.io", base64: true),
    ]
    static let unnamed = ChannelProtocol("", status: false)

    init(_ name: String, base64: Bool = false, status: Bool = true, closes: Bool = false) {
        self.name = name
        isBase64 = base64
        hasStatusObject = status
        closesChannels = closes
    }

    /// The first of the client's protocols that is served; nil if it names some and none is.
    static func chosen(of served: [ChannelProtocol], by client: [String]) -> ChannelProtocol? {
        if client.isEmpty { return .unnamed }
        for name in client {
            if let match = served.first(where: { $0.name == name }) { return match }
        }
        return nil
    }

    enum Message: Equatable {
        case bytes(channel: UInt8, [UInt8])
        case close(channel: UInt8)
    }

    /// Reads a message; nil for one that names no channel or is no base64.
    func read(_ message: [UInt8]) -> Message? {
        guard let first = message.first else { return nil }
        if isBase64 {
            guard (48...57).contains(first), let bytes = Data(base64Encoded: Data(message.dropFirst())) else {
                return nil
            }
            return .bytes(channel: first - 48, Array(bytes))
        }
        if closesChannels, first == 255 {
            return message.count == 2 ? .close(channel: message[1]) : nil
        }
        return .bytes(channel: first, Array(message.dropFirst()))
    }

    /// Writes a message.
    func message(_ bytes: some Collection<UInt8>, on channel: UInt8) -> [UInt8] {
        isBase64 ? [48 + channel % 10] + Data(bytes).base64EncodedData() : [channel] + bytes
    }
}
