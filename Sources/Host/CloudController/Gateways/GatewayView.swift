/// What a gateway controller knows at one moment.
struct GatewayView: Sendable {
    var classes: [GatewayClass] = []
    var gateways: [Gateway] = []
    var routes: [HTTPRoute] = []
    var grants: [ReferenceGrant] = []
    var namespaces: [LabelledNamespace] = []
    var services: [BalancedService] = []
}
