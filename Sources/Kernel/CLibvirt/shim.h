#pragma once
#include <stddef.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/// libvirt wants every event callback cast to one generic type, which Swift cannot do to a C function.
static inline int clibvirt_register_lifecycle(
    virConnectPtr connection, virConnectDomainEventCallback callback, void *opaque, virFreeCallback release) {
    return virConnectDomainEventRegisterAny(
        connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(callback), opaque, release);
}

static inline int clibvirt_register_device_removed(
    virConnectPtr connection, virConnectDomainEventDeviceRemovedCallback callback, void *context,
    virFreeCallback release) {
    return virConnectDomainEventRegisterAny(
        connection, NULL, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(callback), context, release);
}

static inline int clibvirt_register_reboot(
    virConnectPtr connection, virConnectDomainEventGenericCallback callback, void *opaque, virFreeCallback release) {
    return virConnectDomainEventRegisterAny(
        connection, NULL, VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(callback), opaque, release);
}
