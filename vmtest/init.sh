#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The guest's first process: loads the modules, mounts the image, and hands over to guest.sh.
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
while read -r module; do
	$busybox insmod "/modules/$module" || echo "init: $module is not loaded"
done </modules/order

tries=0
while ! [ -b /dev/vda ] && [ $tries -lt 100 ]; do
	tries=$((tries + 1))
	$busybox sleep 0.1
done
$busybox mount -t ext4 -o noatime /dev/vda /root || echo "init: cannot mount the image"
$busybox umount /proc
$busybox umount /sys
$busybox mount --move /dev /root/dev
exec $busybox switch_root -c /dev/console /root /steerd/vmtest/guest.sh
